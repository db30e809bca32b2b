"""Time-outs and limits that are not settings and concern several packages. In seconds and bytes.

A limit that is one module's own is named there.
"""

from __future__ import annotations

# Towards upstream (upstream.md 1.3)
CONNECT_SECONDS = 15.0
#: a picture may take minutes without a byte; the setting counts if it is longer
PICTURE_SILENCE = 300.0
ACCOUNT_METHOD_SECONDS = 30.0
ACCOUNT_METHOD_BODY = 4 << 20
#: calls for tokens, projects and quotas that one way out bears at the same time; more wait their turn
ACCOUNT_CALLS_AT_ONCE = 16
#: a client's request waits no longer than that for its account's project, and goes without it (upstream.md 3.2)
PROJECT_PATIENCE = 10.0
TOKEN_SECONDS = 30.0
#: the metadata server is on this very machine (official-upstreams.md 3.3)
METADATA_SECONDS = 3.0
TOKEN_BODY = 64 << 10
#: idle connections kept for reuse; Twisted's own two would mean a new connection for almost every request
IDLE_CONNECTIONS_PER_HOST = 256
#: below the 240 s of Google's front ends and of most balancers, so that reuse seldom meets a closed connection
IDLE_CONNECTION_SECONDS = 60

# From clients (threats.md 3.2)
HEAD_DEADLINE = 20.0
#: a request's head, its first line with it
HEAD_BYTES = 16 << 10
HEAD_FIELDS = 500
#: the same, and the rest of a kept connection, while there are as many connections as there may be
FULL_DEADLINE = 3.0
#: a kept connection may rest this long between two requests
IDLE_SECONDS = 75.0
#: a body must make this progress: checked every BODY_CHECK_SECONDS, at least BODY_MIN_RATE bytes a second
BODY_CHECK_SECONDS = 15.0
BODY_MIN_RATE = 1024
#: and as a whole, after BODY_GRACE_SECONDS, this one: so 32 MiB take 35 minutes at most
BODY_GRACE_SECONDS = 60.0
BODY_MEAN_RATE = 16 << 10
#: the bodies of all requests together, until they are sent on; at the bound new ones are refused
BODIES_TOTAL = 128 << 20
#: a reader that takes nothing for this long is gone
WRITE_STALL = 120.0
#: how long a refused client's bytes are swallowed, so that it can read the refusal
LINGER_SECONDS = 2.0
#: how long a drain waits for a request's head on a connection that was just made
ARRIVAL_SECONDS = 1.0
LINGER_BYTES = 1 << 20
#: connections at a time, if the process may have as many descriptors; this many more get 503
MAX_CONNECTIONS = 10_000
SHED_CONNECTIONS = 64
#: seconds after which they may
SHED_RETRY = 5

#: seconds between two looks at a file that is followed: clients' keys, credentials
FILE_POLL = 1.0

# WebSockets
#: without a message, and in all
SOCKET_IDLE_SECONDS = 900.0
SOCKET_SECONDS = 3600.0
#: a ping after this many seconds of silence
SOCKET_KEEPALIVE = 20.0

# Streams (translation.md 3.4)
FIRST_KEEPALIVE = 15.0
KEEPALIVE = 10.0

# The volume (credential-volume.md 2.5)
#: a read that takes longer shows in health
SLOW_READ = 2.0
#: at the start clients wait in the queue of the port until the accounts are known, but no longer than this
FIRST_READ = 2.0

# The state directory
#: seconds between two writes to it: what a kill loses at most
STATE_FLUSH = 5.0
#: seconds that the end of the daemon waits for its last write
STATE_STOP = 2.0
