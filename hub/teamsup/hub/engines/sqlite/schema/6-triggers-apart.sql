-- What keeps the tables true to each other stands in triggers.sql from here on. There, its work is messages_broadcast's.
DROP TRIGGER IF EXISTS messages_to_nobody;
