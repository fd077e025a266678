// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * The words for the numbers of the ABI
 *
 * Copyright The dstack for Linux authors
 */
#include "words.h"

static const char *name_of(const char * const *names, size_t nr, u32 i)
{
	return i < nr && names[i] ? names[i] : "unknown";
}

const char *dstack_state_name(u32 state)
{
	static const char * const names[] = {
		[DSTACK_STATE_OFF] = "off", [DSTACK_STATE_MEASURE] = "measure",
		[DSTACK_STATE_ENFORCE] = "enforce",
		[DSTACK_STATE_LOCKED] = "locked",
	};

	return name_of(names, ARRAY_SIZE(names), state);
}

const char *dstack_kind_name(u32 kind)
{
	static const char * const names[] = {
		[DSTACK_KIND_EXEC] = "exec", [DSTACK_KIND_MAP] = "map",
		[DSTACK_KIND_SCRIPT] = "script",
		[DSTACK_KIND_KERNEL] = "kernel",
		[DSTACK_KIND_CONTROL] = "control",
		[DSTACK_KIND_MEMORY] = "memory",
	};

	return name_of(names, ARRAY_SIZE(names), kind);
}

const char *dstack_reason_name(u32 reason)
{
	static const char * const names[] = {
		[DSTACK_REASON_APPROVED] = "approved",
		[DSTACK_REASON_HOST] = "host",
		[DSTACK_REASON_OFF] = "off",
		[DSTACK_REASON_NO_POLICY] = "no-policy",
		[DSTACK_REASON_NO_SECTION] = "no-section",
		[DSTACK_REASON_UNKNOWN] = "unknown-digest",
		[DSTACK_REASON_KIND] = "other-kind",
		[DSTACK_REASON_WRITER] = "open-for-writing",
		[DSTACK_REASON_STORAGE] = "untrusted-storage",
		[DSTACK_REASON_UNSEALED] = "unsealed-memfd",
		[DSTACK_REASON_LOG_FULL] = "log-full",
		[DSTACK_REASON_REGISTER] = "extend-failed",
		[DSTACK_REASON_DIVERGED] = "register-diverged",
		[DSTACK_REASON_INTERNAL] = "internal-error",
		[DSTACK_REASON_MEMORY] = "memory",
		[DSTACK_REASON_UNSEEN] = "unseen",
	};

	return name_of(names, ARRAY_SIZE(names), reason);
}

const char *dstack_storage_name(u32 storage)
{
	static const char * const names[] = {
		[DSTACK_STORAGE_DISK] = "disk",
		[DSTACK_STORAGE_MEMORY] = "memory",
		[DSTACK_STORAGE_MEMFD] = "memfd",
		[DSTACK_STORAGE_MEMFD_OPEN] = "memfd-open",
		[DSTACK_STORAGE_UNTRUSTED] = "untrusted",
		[DSTACK_STORAGE_PSEUDO] = "pseudo",
		[DSTACK_STORAGE_FSVERITY] = "fs-verity",
		[DSTACK_STORAGE_DMVERITY] = "dm-verity",
		[DSTACK_STORAGE_AUTHENTICATED] = "authenticated",
	};

	return name_of(names, ARRAY_SIZE(names), storage);
}

const char *dstack_alg_name(u32 alg)
{
	static const char * const names[] = {
		[DSTACK_ALG_NONE] = "none",
		[DSTACK_ALG_SHA256] = "sha256",
		[DSTACK_ALG_FSVERITY_SHA256] = "fsverity-sha256",
	};

	return name_of(names, ARRAY_SIZE(names), alg);
}

const char *dstack_mode_name(u32 mode)
{
	static const char * const names[] = {
		[DSTACK_MODE_EVERY] = "every", [DSTACK_MODE_FIRST] = "first",
	};

	return name_of(names, ARRAY_SIZE(names), mode);
}

const char *dstack_action_name(u32 action)
{
	static const char * const names[] = {
		[DSTACK_ACTION_LOG] = "log", [DSTACK_ACTION_KILL] = "kill",
		[DSTACK_ACTION_FREEZE] = "freeze",
	};

	return name_of(names, ARRAY_SIZE(names), action);
}

const char *dstack_backend_name(u32 backend)
{
	static const char * const names[] = {
		[DSTACK_BACKEND_NONE] = "none", [DSTACK_BACKEND_TDX] = "tdx",
		[DSTACK_BACKEND_TPM] = "tpm", [DSTACK_BACKEND_SIM] = "sim",
	};

	return name_of(names, ARRAY_SIZE(names), backend);
}

const char *dstack_tamper_name(u32 what)
{
	static const char * const names[] = {
		[DSTACK_TAMPER_TRACE] = "trace",
		[DSTACK_TAMPER_MEMORY] = "memory",
		[DSTACK_TAMPER_PROGRAM] = "program",
		[DSTACK_TAMPER_KEXEC] = "kexec",
		[DSTACK_TAMPER_MODULE] = "module",
		[DSTACK_TAMPER_UNLOAD] = "unload",
		[DSTACK_TAMPER_BPF] = "bpf",
		[DSTACK_TAMPER_DISK] = "disk",
		[DSTACK_TAMPER_MOUNT] = "mount",
	};

	return name_of(names, ARRAY_SIZE(names), what);
}

const char *dstack_key_kind_name(u32 kind)
{
	static const char * const names[] = {
		[DSTACK_KEY_BYTES] = "bytes", [DSTACK_KEY_HMAC] = "hmac",
		[DSTACK_KEY_AEAD] = "aead", [DSTACK_KEY_ED25519] = "ed25519",
		[DSTACK_KEY_SECP256K1] = "secp256k1",
		[DSTACK_KEY_P256] = "p256",
	};

	return name_of(names, ARRAY_SIZE(names), kind);
}

const char *dstack_key_scope_name(u32 scope)
{
	static const char * const names[] = {
		[DSTACK_SCOPE_CONTAINER] = "container",
		[DSTACK_SCOPE_APP] = "app",
	};

	return name_of(names, ARRAY_SIZE(names), scope);
}

const char *dstack_key_delivery_name(u32 delivery)
{
	static const char * const names[] = {
		[DSTACK_DELIVER_HANDLE] = "handle",
		[DSTACK_DELIVER_LOGON] = "logon",
		[DSTACK_DELIVER_FSCRYPT] = "fscrypt",
		[DSTACK_DELIVER_BYTES] = "bytes",
		[DSTACK_DELIVER_AGENT] = "agent",
	};

	return name_of(names, ARRAY_SIZE(names), delivery);
}

const char *dstack_seal_check_name(u32 check)
{
	static const char * const names[] = {
		[DSTACK_SEAL_OK] = "ok", [DSTACK_SEAL_FORMAT] = "format",
		[DSTACK_SEAL_APP] = "app", [DSTACK_SEAL_IMAGE] = "image",
		[DSTACK_SEAL_NAME] = "name", [DSTACK_SEAL_EPOCH] = "epoch",
		[DSTACK_SEAL_POLICY] = "policy", [DSTACK_SEAL_TAG] = "tag",
	};

	return name_of(names, ARRAY_SIZE(names), check);
}
