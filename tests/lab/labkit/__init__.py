"""The lab: real hosts on one machine, as User-Mode Linux processes in one network namespace."""
