"""The account pool: leases, cooldowns, access tokens."""
