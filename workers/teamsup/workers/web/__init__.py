"""web: the team in a browser, what needs a person there, and forms to act.

A request goes through these packages and modules, in this order:

    server        the HTTP server: whole pages, single regions, streams and forms
    access        who may look and act: links, sessions, Host and Origin
    page          what a page is: its address, its regions, its forms
    pages         one module for each page: a view, which is pure, and what it reads
    live          open pages: what has changed, and the streams that report it

``web_worker`` is the process, which opens the server. ``open_command`` is ``teamsup open``. ``static`` has the style
sheet and the scripts. docs/glossary.md explains the words. A function that may block runs in a thread.
"""
