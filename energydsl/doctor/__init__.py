"""What is installed here, and whether it works: `energydsl doctor`."""

from energydsl.doctor.examination import examine as examine
from energydsl.doctor.record import Finding as Finding
