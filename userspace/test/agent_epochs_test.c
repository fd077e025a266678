// SPDX-License-Identifier: MIT
/*
 * Keys and what vouches for them: of one key epoch, whatever moves meanwhile
 *
 * Copyright The dstack for Linux authors
 *
 * The module is the test's: it gives keys of its newest epoch.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../agent/agent.h"
#include "../agent/cert.h"
#include "app_keys_fixture.h"

#include <guest_v0.pb-c.h>
#include <worker.pb-c.h>

#define ROUNDS	300

static char dir[64], said[1024];
static struct agent agent;
static struct rpc_error error;
static const struct http_caller caller = { .id = "c", .device = 0 };
static atomic_uint newest;		/* that the module has */

static void tell(const char *line)
{
	snprintf(said, sizeof(said), "%s", line);
}

int __wrap_libdstack_get_key(int fd, struct libdstack_key *key, void *bytes,
			     int32_t *serial);

int __wrap_libdstack_get_key(int fd, struct libdstack_key *key, void *bytes,
			     int32_t *serial)
{
	(void)fd;
	(void)serial;
	key->epoch = newest;
	memset(bytes, 0x50 + (int)key->epoch, DSTACK_KEY_SIZE);
	return 0;
}

/* As who follows the KMS does it: all of it or nothing. */
static void put_file(const char *name, uint64_t epoch)
{
	char hex[65], link[131], path[128], temporary[128], id[183];
	json_t *json;

	memset(hex, '1' + (int)epoch, 64);
	hex[64] = '\0';
	memset(link, '1' + (int)epoch, 130);
	link[130] = '\0';
	memset(id, 'a', 182);
	id[182] = '\0';
	json = json_pack("{s:s,s:s,s:s,s:s,s:s,s:I,s:{s:{s:s,s:s,s:s,s:s}}}",
			 "disk_crypt_key", hex, "k256_key", hex,
			 "k256_signature", link, "gateway_app_id", "",
			 "ca_cert", cert_pem, "key_epoch", (json_int_t)epoch,
			 "key_provider", "Kms", "url", "https://kms", "pubkey",
			 id, "tmp_ca_key", "", "tmp_ca_cert", "");
	snprintf(temporary, sizeof(temporary), "%s/.new", dir);
	snprintf(path, sizeof(path), "%s/%s", dir, name);
	umask(077);
	assert_non_null(json);
	assert_int_equal(json_dump_file(json, temporary, 0), 0);
	json_decref(json);
	assert_int_equal(rename(temporary, path), 0);
}

static void end_epoch(void)
{
	char from[128], to[128];

	snprintf(from, sizeof(from), "%s/" AGENT_APP_KEYS_NEXT, dir);
	snprintf(to, sizeof(to), "%s/" AGENT_APP_KEYS_FILE, dir);
	assert_int_equal(rename(from, to), 0);
}

static int setup(void **state)
{
	(void)state;
	strcpy(dir, "/tmp/agent-epochs-XXXXXX");
	assert_non_null(mkdtemp(dir));
	newest = 0;
	put_file(AGENT_APP_KEYS_FILE, 0);
	agent = (struct agent){ .app_dir = dir };
	memset(&error, 0, sizeof(error));
	return agent_epochs_open(dir, 0, tell, &agent.epochs);
}

static int teardown(void **state)
{
	char command[128];

	(void)state;
	agent_epochs_close(agent.epochs);
	snprintf(command, sizeof(command), "rm -r %s", dir);
	return system(command);
}

/* Both links are of the epoch whose key it is. */
static int check_chain(const uint8_t key[DSTACK_KEY_SIZE],
		       const ProtobufCBinaryData *links, size_t nr)
{
	struct agent_claim claim = {
		.algorithm = AGENT_SECP256K1, .name = "p", .name_len = 1,
	};
	uint8_t app_key[DSTACK_KEY_SIZE], signer[AGENT_SECP256K1_SIZE];
	uint8_t epoch = key[0] - 0x50;
	struct agent_public app;

	memset(app_key, 0x11 * (1 + epoch), sizeof(app_key));
	if (nr != 2 || links[1].len != AGENT_LINK_SIZE ||
	    links[1].data[0] != 0x11 * (1 + epoch) ||
	    agent_key_public(AGENT_SECP256K1, app_key, &app) ||
	    agent_key_public(AGENT_SECP256K1, key, &claim.public) ||
	    agent_claim_signer(&claim, links[0].data, links[0].len, signer))
		return -1;
	return memcmp(signer, app.bytes, sizeof(signer)) ? -1 : epoch;
}

/* The epoch, -1 for a mixture, or what GetKey returns. */
static int get_key(struct rpc_error *why)
{
	Guest__V0__GetKeyRequest in = GUEST__V0__GET_KEY_REQUEST__INIT;
	Guest__V0__GetKeyResponse *out = calloc(1, sizeof(*out));
	int ret;

	guest__v0__get_key_response__init(out);
	in.purpose = (char *)"p";
	ret = agent_v0_get_key(&agent, &caller, &in.base, &out->base, why);
	if (!ret)
		ret = check_chain(out->key.data, out->signature_chain,
				  out->n_signature_chain);
	protobuf_c_message_free_unpacked(&out->base, NULL);
	return ret;
}

static void key_and_links_are_of_the_modules_epoch(void **state)
{
	(void)state;
	assert_int_equal(get_key(&error), 0);
	/* The file is there before the root key is. */
	put_file(AGENT_APP_KEYS_NEXT, 1);
	assert_int_equal(get_key(&error), 0);
	newest = 1;
	assert_int_equal(get_key(&error), 1);
	end_epoch();
	agent_epochs_look(agent.epochs);
	assert_int_equal(get_key(&error), 1);
	put_file(AGENT_APP_KEYS_NEXT, 2);
	newest = 2;
	assert_int_equal(get_key(&error), 2);
}

static void without_what_vouches_there_is_no_key(void **state)
{
	(void)state;
	newest = 1;
	assert_int_equal(get_key(&error), -EAGAIN);
	assert_int_equal(error.status, 503);
	assert_non_null(strstr(error.text, "key epoch 1 is not here"));
	put_file(AGENT_APP_KEYS_NEXT, 1);
	assert_int_equal(get_key(&error), 1);
}

static void keys_that_ended_are_forgotten(void **state)
{
	(void)state;
	put_file(AGENT_APP_KEYS_NEXT, 1);
	newest = 1;
	assert_int_equal(get_key(&error), 1);
	assert_non_null(agent_epochs_get(agent.epochs, 0, &error));
	agent_epochs_put(agent.epochs);
	end_epoch();
	agent_epochs_look(agent.epochs);
	assert_null(agent_epochs_get(agent.epochs, 0, &error));
}

static void file_that_is_none_changes_nothing(void **state)
{
	char path[128];
	FILE *file;

	(void)state;
	snprintf(path, sizeof(path), "%s/" AGENT_APP_KEYS_NEXT, dir);
	file = fopen(path, "w");
	assert_non_null(file);
	fputs("{", file);
	fclose(file);
	*said = '\0';
	agent_epochs_look(agent.epochs);
	assert_true(*said);
	assert_int_equal(get_key(&error), 0);
	*said = '\0';
	agent_epochs_look(agent.epochs);
	assert_false(*said);
	put_file(AGENT_APP_KEYS_NEXT, 1);
	newest = 1;
	assert_int_equal(get_key(&error), 1);
}

static void number_of_a_file_that_says_none_is_the_callers(void **state)
{
	(void)state;
	agent_epochs_close(agent.epochs);
	assert_int_equal(agent_epochs_open(dir, 7, tell, &agent.epochs), 0);
	assert_null(agent_epochs_get(agent.epochs, 0, &error));
	assert_non_null(agent_epochs_get(agent.epochs, 7, &error));
	agent_epochs_put(agent.epochs);
}

/* What is derived first and signed for then is of two moments. */
static void derived_key_has_a_certificate_of_its_epoch_or_none(void **state)
{
	struct agent_cert cert = {
		.key = EVP_EC_gen("P-256"), .subject = "a", .derived = true,
	};
	struct agent_chain_text chain = { .nr = 0 };

	(void)state;
	put_file(AGENT_APP_KEYS_NEXT, 1);
	newest = 1;
	assert_int_equal(agent_cert_issue(&agent, &caller, &cert, &chain,
					  &error), -EAGAIN);
	assert_int_equal(error.status, 503);
	assert_non_null(strstr(error.text, "moved on meanwhile"));
	assert_int_equal(chain.nr, 0);
	EVP_PKEY_free(cert.key);
}

/*
 * While it moves
 */

static atomic_int mixtures, had;
static atomic_bool over;

static void *ask_on(void *arg)
{
	struct rpc_error why = { 0 };
	int ret;

	while (!over) {
		ret = get_key(&why);
		mixtures += ret == -1;
		had += ret >= 0;
	}
	return arg;
}

static void *look_on(void *arg)
{
	while (!over)
		agent_epochs_look(agent.epochs);
	return arg;
}

static void attack_63_no_chain_is_a_mixture_while_epochs_move(void **state)
{
	pthread_t threads[4];
	int i;

	(void)state;
	over = false;
	for (i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&threads[i], NULL,
						i ? ask_on : look_on, NULL), 0);
	for (i = 0; i < ROUNDS; i++) {
		put_file(AGENT_APP_KEYS_NEXT, 1 + i % 8);
		newest = 1 + i % 8;
		usleep(500);
		end_epoch();
		if (i % 8 == 7) {
			put_file(AGENT_APP_KEYS_FILE, 0);
			newest = 0;
		}
	}
	over = true;
	for (i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(mixtures, 0);
	assert_true(had > 0);
}

#define CLAIM(name)	cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CLAIM(key_and_links_are_of_the_modules_epoch),
		CLAIM(without_what_vouches_there_is_no_key),
		CLAIM(keys_that_ended_are_forgotten),
		CLAIM(file_that_is_none_changes_nothing),
		CLAIM(number_of_a_file_that_says_none_is_the_callers),
		CLAIM(derived_key_has_a_certificate_of_its_epoch_or_none),
		CLAIM(attack_63_no_chain_is_a_mixture_while_epochs_move),
	};

	make_authority();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
