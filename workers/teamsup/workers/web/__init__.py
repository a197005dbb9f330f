"""web: the team in a browser. It shows the tasks that need a person, and has forms to act.

A request goes through these packages and modules, in this order:

    server        the HTTP server: whole pages, single regions, streams and forms
    access        permissions to look and act: links, sessions, Host and Origin
    page          a page: its address, its regions, its forms
    pages         one module for each page: a pure view, and the reads for it
    live          open pages: the changes, and the streams that report them

``web_worker`` is the process, which opens the server. ``open_command`` is ``teamsup open``. ``static`` has the style
sheet and the scripts. docs/glossary.md explains the words. A function that may block runs in a thread.
"""
