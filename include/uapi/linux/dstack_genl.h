/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */
/*
 * dstack's control plane: generic netlink family "dstack"
 *
 * Copyright The dstack for Linux authors
 *
 * For CAP_SYS_ADMIN in the initial namespaces, never from inside a container.
 * Documentation/netlink/specs/dstack.yaml says which command takes what.
 */
#ifndef _UAPI_LINUX_DSTACK_GENL_H
#define _UAPI_LINUX_DSTACK_GENL_H

#define DSTACK_GENL_NAME	"dstack"
#define DSTACK_GENL_VERSION	1

enum dstack_cmd {
	DSTACK_CMD_STATUS_GET = 1,
	DSTACK_CMD_STATE_SET = 2,
	DSTACK_CMD_POLICY_BEGIN = 3,
	DSTACK_CMD_POLICY_DATA = 4,
	DSTACK_CMD_POLICY_COMMIT = 5,
	DSTACK_CMD_CONTAINER_ADD = 6,
	DSTACK_CMD_CONTAINER_REMOVE = 7,
	DSTACK_CMD_CONTAINER_GET = 8,
	DSTACK_CMD_EVENT_ADD = 9,
	DSTACK_CMD_LOG_ACK = 10,
	DSTACK_CMD_HOOKS_SET = 11,
	DSTACK_CMD_DEVICE_ADD = 12,
	DSTACK_CMD_DEVICE_REMOVE = 13,
	DSTACK_CMD_DEVICE_GET = 14,
	DSTACK_CMD_KEY_LOAD = 15,
	DSTACK_CMD_KEY_RETIRE = 16,
	DSTACK_CMD_KEY_WIPE = 17,
	DSTACK_CMD_KEY_GET = 18,
	__DSTACK_CMD_MAX
};

/**
 * enum dstack_hook - where the module looks; bits in DSTACK_A_HOOKS
 * @DSTACK_HOOK_EXEC: a program, script or interpreter is about to run
 * @DSTACK_HOOK_MAP: a file is about to be mapped executable
 * @DSTACK_HOOK_OPEN: a file is being opened for writing
 * @DSTACK_HOOK_RESIZE: a file is about to be truncated or extended
 * @DSTACK_HOOK_SUPER: a file system is about to be mounted
 * @DSTACK_HOOK_TRACE: a process is about to be traced, or its memory opened
 * @DSTACK_HOOK_TRACEME: a process asks to be traced
 * @DSTACK_HOOK_PRCTL: a process changes what it is
 * @DSTACK_HOOK_CAPABLE: a process uses a capability
 * @DSTACK_HOOK_READ_FILE: the kernel reads code from a file
 * @DSTACK_HOOK_LOAD_DATA: the kernel takes code from memory
 * @DSTACK_HOOK_BPF: bpf(2) is called
 * @DSTACK_HOOK_BPF_PROG: a BPF program gets a descriptor
 * @DSTACK_HOOK_ROOT: a device of dm-verity is about to have this root hash
 * @DSTACK_HOOK_MOUNT: a file system is mounted, and about to be seen
 * @DSTACK_HOOK_PROTECT: memory is about to be made executable
 * @DSTACK_HOOK_CHECK: somebody asks whether a file may run (AT_EXECVE_CHECK)
 * @DSTACK_HOOK_FAULT: somebody wants to fill memory when it is used
 */
enum dstack_hook {
	DSTACK_HOOK_EXEC = 0,
	DSTACK_HOOK_MAP = 1,
	DSTACK_HOOK_OPEN = 2,
	DSTACK_HOOK_RESIZE = 3,
	DSTACK_HOOK_SUPER = 4,
	DSTACK_HOOK_TRACE = 5,
	DSTACK_HOOK_TRACEME = 6,
	DSTACK_HOOK_PRCTL = 7,
	DSTACK_HOOK_CAPABLE = 8,
	DSTACK_HOOK_READ_FILE = 9,
	DSTACK_HOOK_LOAD_DATA = 10,
	DSTACK_HOOK_BPF = 11,
	DSTACK_HOOK_BPF_PROG = 12,
	DSTACK_HOOK_ROOT = 13,
	DSTACK_HOOK_MOUNT = 14,
	DSTACK_HOOK_PROTECT = 15,
	DSTACK_HOOK_CHECK = 16,
	DSTACK_HOOK_FAULT = 17,
	__DSTACK_HOOK_MAX
};

/**
 * enum dstack_attr - attributes; every command says which it takes
 * @DSTACK_A_UNSPEC: none
 * @DSTACK_A_STATE: u32, enum dstack_state
 * @DSTACK_A_BACKEND: u32, enum dstack_backend
 * @DSTACK_A_BACKEND_FLAGS: u32, DSTACK_BACKEND_F_*
 * @DSTACK_A_REGISTER: binary, the value that the log replays to
 * @DSTACK_A_BASE: binary, the register when the module was loaded
 * @DSTACK_A_DIVERGED: u32, 1 once the register was seen to differ from the log
 * @DSTACK_A_LOG_COUNT: u64, events in the log
 * @DSTACK_A_LOG_ACKED: u64, events that the daemon has stored
 * @DSTACK_A_LOG_PENDING: u64, bytes of memory for events that wait for the
 *	daemon: of all, or in CONTAINER_GET of the container's
 * @DSTACK_A_HOOKS: u32, one bit for each hook whose link the module holds
 * @DSTACK_A_LINKS: binary, for each enum dstack_hook in turn a u32, the
 *	sender's descriptor of its BPF link
 * @DSTACK_A_MODE: u32, enum dstack_mode
 * @DSTACK_A_POLICY_SIZE: u32, bytes of the table that follows
 * @DSTACK_A_POLICY_CHUNK: binary, the next bytes of the table
 * @DSTACK_A_POLICY_EPOCH: u64
 * @DSTACK_A_POLICY_TABLE: binary, SHA-256 of the table
 * @DSTACK_A_POLICY_DOCUMENT: binary, SHA-256 of the canonical JSON document
 * @DSTACK_A_CONTAINERS: u32, registered containers
 * @DSTACK_A_ID: string, container id
 * @DSTACK_A_SECTION: string, the policy section that applies
 * @DSTACK_A_CGROUP_FD: u32, descriptor of the container's cgroup directory
 * @DSTACK_A_CGROUP_ID: u64
 * @DSTACK_A_APP_ID: binary, 20 bytes; in STATUS_GET the active policy's, absent
 *	without a policy
 * @DSTACK_A_IMAGE: binary, SHA-256 of the image manifest
 * @DSTACK_A_EVENT_NAME: string
 * @DSTACK_A_EVENT_PAYLOAD: binary
 * @DSTACK_A_ALLOWED: u64, execs and mappings allowed
 * @DSTACK_A_DENIED: u64, denied, or in MEASURE recorded as such
 * @DSTACK_A_CACHE_HITS: u64, digests answered from the cache
 * @DSTACK_A_CACHE_MISSES: u64, digests computed
 * @DSTACK_A_PAD: padding of 64-bit attributes
 * @DSTACK_A_DEVICE: u32, number of a block device as stat(2) of a 32-bit system
 *	gives it: low byte of the minor, 12 bits of major, rest of the minor
 * @DSTACK_A_STORAGE: u32, enum dstack_storage
 * @DSTACK_A_ROOT: binary, 32 to 64 bytes, dm-verity's root hash
 * @DSTACK_A_FLAGS: u32, DSTACK_CONTAINER_F_*
 * @DSTACK_A_LOG_MEMORY: u64, bytes of kernel memory that the log takes
 * @DSTACK_A_LOG_FIRST: u64, the first event whose digest the module keeps
 * @DSTACK_A_LOG_START: binary, what the events before that one replay to
 * @DSTACK_A_REFUSED: u64, how often the container wanted to record too much
 * @DSTACK_A_KEY_EPOCH: u64
 * @DSTACK_A_KEY_ROOT: binary, 32 bytes, an application's root key; never told
 * @DSTACK_A_KEY_ID: binary, 16 bytes, derived from the root key to name it
 * @DSTACK_A_KEYS: u32, keys in keyrings that were made from root keys
 * @DSTACK_A_KEY_LOCAL: flag, the root key is of this machine alone: its event
 *	names it "local", as its id would tell machines of one image apart
 */
enum dstack_attr {
	DSTACK_A_UNSPEC = 0,
	DSTACK_A_STATE = 1,
	DSTACK_A_BACKEND = 2,
	DSTACK_A_BACKEND_FLAGS = 3,
	DSTACK_A_REGISTER = 4,
	DSTACK_A_BASE = 5,
	DSTACK_A_DIVERGED = 6,
	DSTACK_A_LOG_COUNT = 7,
	DSTACK_A_LOG_ACKED = 8,
	DSTACK_A_LOG_PENDING = 9,
	DSTACK_A_HOOKS = 10,
	DSTACK_A_LINKS = 11,
	DSTACK_A_MODE = 12,
	DSTACK_A_POLICY_SIZE = 13,
	DSTACK_A_POLICY_CHUNK = 14,
	DSTACK_A_POLICY_EPOCH = 15,
	DSTACK_A_POLICY_TABLE = 16,
	DSTACK_A_POLICY_DOCUMENT = 17,
	DSTACK_A_CONTAINERS = 18,
	DSTACK_A_ID = 19,
	DSTACK_A_SECTION = 20,
	DSTACK_A_CGROUP_FD = 21,
	DSTACK_A_CGROUP_ID = 22,
	DSTACK_A_APP_ID = 23,
	DSTACK_A_IMAGE = 24,
	DSTACK_A_EVENT_NAME = 25,
	DSTACK_A_EVENT_PAYLOAD = 26,
	DSTACK_A_ALLOWED = 27,
	DSTACK_A_DENIED = 28,
	DSTACK_A_CACHE_HITS = 29,
	DSTACK_A_CACHE_MISSES = 30,
	DSTACK_A_PAD = 31,
	DSTACK_A_DEVICE = 32,
	DSTACK_A_STORAGE = 33,
	DSTACK_A_ROOT = 34,
	DSTACK_A_FLAGS = 35,
	DSTACK_A_LOG_MEMORY = 36,
	DSTACK_A_LOG_FIRST = 37,
	DSTACK_A_LOG_START = 38,
	DSTACK_A_REFUSED = 39,
	DSTACK_A_KEY_EPOCH = 40,
	DSTACK_A_KEY_ROOT = 41,
	DSTACK_A_KEY_ID = 42,
	DSTACK_A_KEYS = 43,
	DSTACK_A_KEY_LOCAL = 44,
	__DSTACK_A_MAX
};

#define DSTACK_A_MAX (__DSTACK_A_MAX - 1)

#endif /* _UAPI_LINUX_DSTACK_GENL_H */
