"""One file a domain, one table."""

from energydsl.domains.binary import BINARY
from energydsl.domains.categorical import CATEGORICAL
from energydsl.domains.later import COUNT, INTEGER, INTERVAL, POSITIVE
from energydsl.domains.real import REAL
from energydsl.domains.spin import SPIN
from energydsl.domains.table import Domain as Domain

DOMAINS = {d.name: d for d in (BINARY, SPIN, CATEGORICAL, REAL, POSITIVE, INTERVAL, COUNT, INTEGER)}
