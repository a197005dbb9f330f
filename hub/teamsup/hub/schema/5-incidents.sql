-- What monitoring has said, and what became of it.
CREATE TABLE incidents (
  id INTEGER PRIMARY KEY
);
