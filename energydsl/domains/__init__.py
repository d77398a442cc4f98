"""One file a domain, one table; and the table of the families."""

from energydsl.domains.binary import BINARY
from energydsl.domains.categorical import CATEGORICAL
from energydsl.domains.count import COUNT
from energydsl.domains.integer import INTEGER
from energydsl.domains.interval import INTERVAL
from energydsl.domains.positive import POSITIVE
from energydsl.domains.real import REAL
from energydsl.domains.spin import SPIN
from energydsl.domains.table import ANY as ANY
from energydsl.domains.table import Domain as Domain
from energydsl.domains.table import Family as Family
from energydsl.domains.table import Written as Written

DOMAINS = {d.name: d for d in (BINARY, SPIN, CATEGORICAL, REAL, POSITIVE, INTERVAL, COUNT, INTEGER)}
FAMILIES = {f.name: f for d in DOMAINS.values() for f in d.families}
