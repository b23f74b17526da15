"""`shutdown.py DIRECTORY`: the ext4 that holds the directory stops as if power went: nothing more reaches the device, not even
the journal (EXT4_IOC_SHUTDOWN, EXT4_GOING_FLAGS_NOLOGFLUSH). What was only in the page cache is gone after the next mount."""
import fcntl
import os
import struct
import sys

EXT4_IOC_SHUTDOWN = 0x8004587D
NOLOGFLUSH = 2

fcntl.ioctl(os.open(sys.argv[1], os.O_RDONLY | os.O_DIRECTORY), EXT4_IOC_SHUTDOWN, struct.pack("I", NOLOGFLUSH))
