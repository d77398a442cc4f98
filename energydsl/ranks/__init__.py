"""Several processes, on one machine or many, that work on one task: who they are, what is whose, and how sums are added.

`Team` says what ranks do together; without MPI there is a team of one. `Shards` are the pieces, of a number of their own, into
which rows and chains are cut, whatever the number of ranks.
"""

from energydsl.ranks.chains import each_shard as each_shard
from energydsl.ranks.chains import in_shards as in_shards
from energydsl.ranks.launched import launched as launched
from energydsl.ranks.launched import world as world
from energydsl.ranks.shards import WHOLE as WHOLE
from energydsl.ranks.shards import Shards as Shards
from energydsl.ranks.shards import asked_for as asked_for
from energydsl.ranks.shards import shards_of as shards_of
from energydsl.ranks.team import ALONE as ALONE
from energydsl.ranks.team import Stopped as Stopped
from energydsl.ranks.team import Team as Team
