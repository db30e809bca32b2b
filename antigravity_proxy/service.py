"""Assembly: every object of the daemon is built here, from settings, and tied to the life of the process."""

from __future__ import annotations

import random
import secrets
import time
import uuid
from typing import Any

from twisted.application.service import MultiService, Service
from twisted.internet.defer import Deferred, inlineCallbacks
from twisted.internet.endpoints import TCP4ServerEndpoint
from twisted.logger import Logger

log = Logger()
