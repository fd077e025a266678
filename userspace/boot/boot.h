/* SPDX-License-Identifier: MIT */
/*
 * What the parts of dstack-boot share
 *
 * Copyright The dstack for Linux authors
 *
 * dstack-boot takes an application from the host's files to the point where
 * its containers may start.  It goes through steps (steps.c), and can be ended
 * anywhere and started again: what was measured stands in the kernel's log, and
 * what was made of it in the application's directory.
 *
 * Functions return 0 or -errno, after a message.
 */
#ifndef BOOT_H
#define BOOT_H

#include <libdstack_attestation.h>

#include "../keys/app_keys.h"
#include "../app/app.h"

/* Files of the application's directory, which is in memory. */
#define BOOT_COMPOSE		"app-compose.json"
#define BOOT_POLICY		"policy.json"
#define BOOT_SYS_CONFIG		".sys-config.json"
#define BOOT_INSTANCE		".instance_info"
#define BOOT_ENCRYPTED_ENV	".encrypted-env"
#define BOOT_USER_CONFIG	".user-config"
#define BOOT_KEYS		".appkeys.json"
#define BOOT_ENV		".decrypted-env"
#define BOOT_ENV_JSON		".decrypted-env.json"

#define BOOT_CONFIG_ID_SIZE	48	/* of TDX's MRCONFIGID */

struct boot_options {
	const char *host;	/* where the host's files are */
	const char *dir;	/* the application's directory */
	const char *log;	/* the file that dstackd keeps */
	const char *device;	/* for data, or NULL */
	const char *mount_point;
	const char *until;	/* the step to end after, or NULL */
	const char *tpm;	/* how it is reached, in words of tpm2-tss */
	const char *enclave_root;	/* a file; NULL: Intel's */
	const char *enclave_policy;	/* a file; NULL: the default */
	unsigned int time_scale;	/* of all limits */
};

struct boot_file {
	char *data;		/* NULL: there is none */
	size_t len;
};

struct boot {
	const struct boot_options *opt;
	int host, dir, device;
	struct libdstack_control *control;
	uint32_t backend;
	struct boot_file sys_config, user_config, encrypted_env;
	struct app_compose *compose;
	struct app_sys_config *config;
	struct app_instance instance;
	uint8_t app_id[APP_ID_SIZE], instance_id[APP_ID_SIZE];
	size_t instance_id_len;		/* 0: it has none */
	bool instance_given;		/* its seed is the host's */
	size_t measured;		/* events of ours that are passed */
	struct agent_app_keys *keys;
	bool keys_found;		/* as an earlier start left them */
	bool has_os_image_hash;
	uint8_t os_image_hash[APP_HASH_SIZE];
};

/* message.c */

/* One line, with the name of the step before it. */
void boot_say(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* The same, as a callback. */
void boot_tell(const char *line);
/* The same, and @err is what it returns. */
int boot_fail(int err, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
/* What happens now. */
void message_step(const char *name);

/* steps.c */

int boot_run(struct boot *boot);
/* True if a step has this name. */
bool boot_is_step(const char *name);
void boot_list_steps(FILE *out);

/* limit.c */

/* From here on the program ends, and says so, unless it is done in time. */
int limit_start(const char *what, unsigned int seconds);
void limit_end(void);
/* Of CLOCK_MONOTONIC. */
int64_t now_us(void);

/* directory.c */

/* Opens both directories; nobody else boots this application meanwhile. */
int directory_open(struct boot *boot);
/* All of it or nothing, for root's eyes only. */
int directory_write(const struct boot *boot, const char *name,
		    const void *data, size_t len);
/* As app_file_read(), from the application's directory. */
int directory_read(const struct boot *boot, const char *name, size_t max,
		   char **text, size_t *len);

/* share.c */

/* The host's files, each read once. */
int share_read(struct boot *boot);
/* Which instance this is, before it is measured: it stays the same one. */
int share_store_instance(struct boot *boot);
/* What of them others need, into the application's directory. */
int share_store(struct boot *boot);

/* requirements.c */

int requirements_check(struct boot *boot);

/* measure.c */

/*
 * The next event: made, or found in the log as it should be.  -EBUSY: there is
 * another in its place.
 */
int measure(struct boot *boot, const char *name, const void *data, size_t len);
/* The next event is there and has this name, whatever it says. */
int measure_skip(struct boot *boot, const char *name);
/* All that is known before there are keys. */
int measure_application(struct boot *boot);

/* provider.c */

int provider_get_keys(struct boot *boot);
/* What was asked for is what answered; then it is measured. */
int provider_measure(struct boot *boot);
int provider_store(struct boot *boot);
/* What was measured since, to whom keys are sealed by what was measured. */
int provider_follow(struct boot *boot);

/* seed.c */

/* All keys of an application that is its own authority. */
int seed_keys(const uint8_t seed[DSTACK_KEY_SIZE], struct agent_app_keys *keys);

/* config_id.c */

/* What the register is compared with. */
struct config_id {
	const uint8_t *compose_hash, *app_id, *instance_id, *gpu_policy_hash;
	size_t instance_id_len;
	enum app_key_provider provider;
	const uint8_t *provider_id;
	size_t provider_id_len;
	/* The root that it succeeds, as agent_app_keys has it. */
	const uint8_t *pinned_id;
	size_t pinned_id_len;
	char *const *init_scripts;
	const char *document;		/* NULL: the host gave none */
};

int config_id_check(const uint8_t value[BOOT_CONFIG_ID_SIZE],
		    const struct config_id *local);
/* The one of this machine; all zeros if it has none. */
int config_id_read(struct boot *boot, uint8_t value[BOOT_CONFIG_ID_SIZE]);

/* env.c */

/* The plain text in @plain, with room for @len bytes; *@plain_len of them. */
int env_decrypt(const uint8_t key[DSTACK_KEY_SIZE], const void *blob,
		size_t len, void *plain, size_t *plain_len);
/* Both forms, in memory of libdstack_secret_alloc() with ENV_TEXT_MAX. */
struct env_text {
	char *shell, *json;
	size_t shell_len, json_len, count, skipped;
};

#define ENV_TEXT_MAX	(4U << 20)

/* @plain is written to.  Only names in @allowed, NULL-ended, are taken. */
int env_read(char *plain, size_t len, char *const *allowed,
	     struct env_text *text);
void env_text_free(struct env_text *text);
int env_store(struct boot *boot);

/* disk.c */

int disk_open(struct boot *boot);

/* policy.c */

int policy_load(struct boot *boot);
int policy_set_state(struct boot *boot);

/* scripts.c */

int scripts_run(struct boot *boot);

/* run.c */

/* A program with this on its standard input.  Its exit status, or -errno. */
int run(const char *const *argv, const void *input, size_t len);

#endif /* BOOT_H */
