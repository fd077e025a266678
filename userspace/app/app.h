/* SPDX-License-Identifier: MIT */
/*
 * What an application is: the files that upstream's guests boot it from
 *
 * Copyright The dstack for Linux authors
 *
 * All of them come from the host, and of all only app-compose.json is
 * measured.  What is read here is bounded, and can't be read in two ways: a
 * field that occurs twice or has another type is refused.  Fields that are not
 * known are left alone in files that upstream's tools write, for upstream does
 * so; they are refused in objects that are strict there, and in ours.
 *
 * Functions return 0 or -errno, after one line to @tell: -EBADMSG for what the
 * file says, -EFBIG, -ENOMEM, or why it can't be read.
 */
#ifndef APP_H
#define APP_H

#include <libdstack.h>

#define APP_COMPOSE_MAX		(50U << 20)	/* bytes of each file */
#define APP_SYS_CONFIG_MAX	(32U << 10)
#define APP_INSTANCE_MAX	(10U << 10)
#define APP_ENCRYPTED_ENV_MAX	(256U << 10)
#define APP_USER_CONFIG_MAX	(50U << 20)

#define APP_HASH_SIZE		32	/* of SHA-256 */
#define APP_INIT_SCRIPTS_MAX	5
#define APP_PROVIDER_ID_MAX	512	/* bytes, of a public key in DER */
#define APP_SEED_SIZE		20
#define APP_ID_SIZE		DSTACK_APP_ID_SIZE
#define APP_GPU_POLICY_MAX	128
#define APP_LIST_MAX		4096	/* entries of an array of names */
#define APP_STATE_UNSAID	UINT32_MAX

/* In the order of upstream's MR_CONFIG_ID. */
enum app_key_provider {
	APP_PROVIDER_NONE,
	APP_PROVIDER_LOCAL,
	APP_PROVIDER_KMS,
	APP_PROVIDER_TPM,
};

/* A requirement that says yes, no or nothing. */
enum app_choice { APP_UNSAID, APP_NO, APP_YES };

/* What containers of one section may call. */
struct app_agent_section {
	char *section;
	char **methods;		/* NULL-ended; the names are not checked here */
};

/* What the machine must be for this application. */
struct app_requirements {
	char *os_version;		/* NULL: any */
	char **platforms;		/* NULL: any; empty: none */
	enum app_choice tdx_measure_acpi_tables;
	bool has_launch_token_hash;
	uint8_t launch_token_hash[APP_HASH_SIZE];
	bool attest_gpu;
	char *gpu_rego;			/* NULL: none */
	char gpu_policy[APP_GPU_POLICY_MAX];	/* RFC 8785, "{}" if none */
};

/* What a service of the compose file is run as. */
struct app_container {
	char *service;
	char *section;		/* of the policy; NULL: as the service */
	char **allow;		/* words, NULL-ended; or NULL */
};

struct app_compose {
	char *text;			/* as delivered, with a NUL behind */
	size_t len;
	uint8_t hash[APP_HASH_SIZE];	/* of @text */

	unsigned int manifest_version;	/* 1 to 3 */
	char *name, *runner;
	char *docker_compose_file;	/* NULL: none */
	bool has_pre_launch_script;
	bool public_logs, public_sysinfo, public_tcbinfo;
	bool no_instance_id, secure_time, gateway_enabled;
	enum app_key_provider key_provider;
	uint8_t key_provider_id[APP_PROVIDER_ID_MAX];
	size_t key_provider_id_len;	/* 0: any */
	char **allowed_envs;		/* NULL-ended */
	char *storage_fs;		/* "ext4", "zfs", or NULL: any */
	unsigned int event_log_version;	/* 1 or 2 */
	char **init_scripts;		/* NULL-ended */
	size_t verity_volumes;		/* how many there are */
	struct app_requirements requirements;

	/* Of "dstack", which is ours. */
	char *policy;			/* the document, or NULL */
	bool has_policy_hash;		/* a file beside has it */
	uint8_t policy_hash[APP_HASH_SIZE];	/* of that file's bytes */
	uint32_t state;			/* enum dstack_state, or UNSAID */
	uint64_t follow_interval_s;	/* between two looks at the contract */
	uint64_t follow_grace_s;	/* without an answer; 0: for ever */
	bool has_agent;
	struct app_agent_section *agent;
	size_t agent_nr;
	struct app_container *containers;
	size_t containers_nr;
};

struct app_sys_config {
	char **kms_urls, **gateway_urls;	/* NULL-ended */
	/* "" where it is not said. */
	char *pccs_url, *docker_registry, *host_api_url;
	char *vm_config;		/* passed on, never parsed here */
	char *mr_config;		/* NULL: none */
};

struct app_instance {
	bool has_app_id, has_seed;
	uint8_t app_id[APP_ID_SIZE], seed[APP_SEED_SIZE];
};

/* @text: of @len bytes. */
int app_compose_parse(const char *text, size_t len, struct app_compose **out,
		      libdstack_message_fn tell);
int app_compose_read(const char *path, struct app_compose **out,
		     libdstack_message_fn tell);
/* These take NULL. */
void app_compose_free(struct app_compose *compose);

int app_sys_config_parse(const char *text, size_t len,
			 struct app_sys_config **out,
			 libdstack_message_fn tell);
int app_sys_config_read(const char *path, struct app_sys_config **out,
			libdstack_message_fn tell);
void app_sys_config_free(struct app_sys_config *config);

int app_instance_parse(const char *text, size_t len,
		       struct app_instance *instance,
		       libdstack_message_fn tell);
/* For free(); or NULL. */
char *app_instance_text(const struct app_instance *instance,
			const uint8_t instance_id[APP_ID_SIZE]);

/* The one that the host gave, or else the first bytes of the hash. */
void app_id_of(const struct app_compose *compose,
	       const struct app_instance *instance, uint8_t id[APP_ID_SIZE]);
/* False if the hash can't be computed. */
bool app_instance_id_of(const struct app_instance *instance,
			const uint8_t app_id[APP_ID_SIZE],
			uint8_t id[APP_ID_SIZE]);

/*
 * Whether the user's configuration, in JSON, has the token of this hash at
 * "dstack.launch_token".
 */
int app_launch_token_check(const char *text, size_t len,
			   const uint8_t hash[APP_HASH_SIZE],
			   libdstack_message_fn tell);

/*
 * The whole of a regular file that stands in @dir itself, for free(), with a
 * NUL behind its @len bytes.  No link is followed, no device, pipe or other
 * file system entered, and no size believed: at most @max bytes are read, of
 * the file that was looked at.  -ENOENT, of which nothing is said, if there is
 * none.
 */
int app_file_read(int dir, const char *name, size_t max, char **text,
		  size_t *len, libdstack_message_fn tell);
/*
 * The same of a file by its path, whose directory may be reached as its owner
 * likes.  Also that there is none is said.
 */
int app_path_read(const char *path, size_t max, char **text, size_t *len,
		  libdstack_message_fn tell);
/* As app_file_read(), for who reads it in pieces: a descriptor. */
int app_file_open(int dir, const char *name, libdstack_message_fn tell);

const char *app_key_provider_name(enum app_key_provider provider);

#endif /* APP_H */
