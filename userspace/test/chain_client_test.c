// SPDX-License-Identifier: MIT
/*
 * A server that lies about the chain is refused, whatever it lies about
 *
 * Copyright The dstack for Linux authors
 *
 * Servers are threads on the loopback.  All of them have a block of a real test
 * chain and its proof, but for what each lies about.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <errno.h>
#include <pthread.h>
#include <sys/socket.h>
#include <time.h>

#include "../chain/rpc.h"
#include "chain_fixture.h"

#define SERVERS		3
#define CHAIN_ID	31337
#define TIME		0x6b045409ULL
#define REQUEST_MAX	8192
#define SLOW_US		400000

enum lie {
	NONE, WRONG_BLOCK, OTHER_NUMBER, OLD_HEAD, FORK, NO_BLOCK, OTHER_CHAIN,
	WRONG_PROOF, SHORT_PROOF, NO_PROOF, REFUSES, SILENT, GARBAGE,
	HUGE_ANSWER, OTHER_CALL, SAYS_YES, SLOW,
};

static struct server {
	pthread_t thread;
	int listener;
	enum lie lie;
	char url[64];
} servers[SERVERS];

static char *block_text[3];	/* the block, an older one, a fork's */
static char says_no[300], says_yes[300];	/* a contract, and why */
static char called[REQUEST_MAX];	/* what the first server was asked */
static char *proof_text, *wrong_proof, *short_proof;
static struct chain_fixture asked;

/*
 * Servers
 */

static const char *block_for(enum lie lie)
{
	if (lie == OLD_HEAD || lie == OTHER_NUMBER)
		return block_text[1];
	return lie == NO_BLOCK ? "null" : block_text[lie == FORK ? 2 : 0];
}

static const char *proof_for(enum lie lie)
{
	if (lie == WRONG_PROOF)
		return wrong_proof;
	return lie == SHORT_PROOF ? short_proof :
		lie == NO_PROOF ? "{}" : proof_text;
}

static char *answer_to(const char *request, enum lie lie)
{
	const char *result = "null";
	char *text = NULL;

	if (lie == GARBAGE)
		return strdup("{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":");
	if (lie == HUGE_ANSWER) {
		text = malloc(CHAIN_REPLY_MAX + 2);
		memset(text, ' ', CHAIN_REPLY_MAX + 1);
		text[CHAIN_REPLY_MAX + 1] = 0;
		return text;
	}
	if (lie == REFUSES)
		return strdup("{\"jsonrpc\":\"2.0\",\"id\":1,\"error\":"
			      "{\"code\":-1,\"message\":\"a\\u001bb\"}}");
	if (strstr(request, "eth_chainId"))
		result = lie == OTHER_CHAIN ? "\"0x1\"" : "\"0x7a69\"";
	else if (strstr(request, "eth_getBlockByNumber"))
		result = block_for(lie);
	else if (strstr(request, "eth_getProof"))
		result = proof_for(lie);
	else if (strstr(request, "eth_call"))
		result = lie == SAYS_YES ? says_yes :
			lie == NO_PROOF ? "\"0x\"" : says_no;
	if (asprintf(&text, "{\"jsonrpc\":\"2.0\",\"id\":%d,\"result\":%s}",
		     lie == OTHER_CALL ? 2 : 1, result) < 0)
		return NULL;
	/* A field that is not what was hashed. */
	if (lie == WRONG_BLOCK && strstr(text, "\"gasUsed\":\"0xb502"))
		strstr(text, "\"gasUsed\":\"0xb502")[16] = '3';
	return text;
}

static void send_all(int fd, const char *data, size_t len)
{
	ssize_t nr;

	while (len && (nr = send(fd, data, len, MSG_NOSIGNAL)) > 0) {
		data += nr;
		len -= nr;
	}
}

/* The whole request, as long as it says that it is. */
static bool hear(int fd, char *text)
{
	size_t len = 0, want = 0;
	const char *body, *field;
	ssize_t nr;

	while (len < REQUEST_MAX - 1) {
		nr = recv(fd, text + len, REQUEST_MAX - 1 - len, 0);
		if (nr <= 0)
			return false;
		len += nr;
		text[len] = 0;
		body = strstr(text, "\r\n\r\n");
		field = strstr(text, "Content-Length: ");
		if (field)
			want = strtoul(field + 16, NULL, 10);
		if (body && strlen(body + 4) >= want)
			return true;
	}
	return false;
}

static void *serve(void *arg)
{
	struct server *server = arg;
	char request[REQUEST_MAX], *text, *head = NULL;
	int fd;

	while ((fd = accept(server->listener, NULL, NULL)) >= 0) {
		if (server->lie == SLOW)
			usleep(SLOW_US);
		if (server->lie != SILENT && hear(fd, request)) {
			if (server == &servers[0])
				memcpy(called, request, sizeof(called));
			text = answer_to(request, server->lie);
			if (asprintf(&head,
				     "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\nConnection: close\r\n\r\n",
				     strlen(text)) > 0)
				send_all(fd, head, strlen(head));
			send_all(fd, text, strlen(text));
			free(head);
			free(text);
		}
		close(fd);
	}
	return NULL;
}

static void start(struct server *server)
{
	struct sockaddr_in at = {
		.sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	socklen_t len = sizeof(at);

	server->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_return_code(bind(server->listener, (void *)&at, len), errno);
	assert_return_code(listen(server->listener, 16), errno);
	assert_return_code(getsockname(server->listener, (void *)&at, &len),
			   errno);
	snprintf(server->url, sizeof(server->url),
		 "http://127.0.0.1:%d/key-of-mine", ntohs(at.sin_port));
	assert_int_equal(pthread_create(&server->thread, NULL, serve, server),
			 0);
}

/*
 * What they have
 */

/* The block with other text in a field, and the hash that it then has. */
static char *change_block(yyjson_val *block, const char *field,
			  const char *text)
{
	yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
	yyjson_mut_val *copy = yyjson_val_mut_copy(doc, block);
	char hash[2 * CHAIN_HASH + 3] = "0x", *out;
	struct chain_header header;
	struct chain_why why = { "" };
	yyjson_doc *fixed;

	yyjson_mut_doc_set_root(doc, copy);
	yyjson_mut_obj_put(copy, yyjson_mut_str(doc, field),
			   yyjson_mut_str(doc, text));
	fixed = yyjson_mut_doc_imut_copy(doc, NULL);
	chain_json_header(yyjson_doc_get_root(fixed), &header, &why);
	yyjson_doc_free(fixed);
	libdstack_to_hex(header.hash, CHAIN_HASH, hash + 2);
	yyjson_mut_obj_put(copy, yyjson_mut_str(doc, "hash"),
			   yyjson_mut_str(doc, hash));
	out = yyjson_mut_write(doc, 0, NULL);
	yyjson_mut_doc_free(doc);
	return out;
}

/* A truth and a text, as contracts answer. */
static void put_answer(char *out, bool yes, const char *hex)
{
	snprintf(out, sizeof(says_no), "\"0x%064x%064x%064zx%s%.*s\"", yes,
		 64, strlen(hex) / 2, hex, (int)(-strlen(hex) & 63),
		 "0000000000000000000000000000000000000000000000000000000000000000");
}

static int begin(void **state)
{
	yyjson_val *block;
	size_t i;

	(void)state;
	if (!getenv("DSTACK_VECTORS"))
		return 0;
	chain_open_anvil(&asked);
	block = yyjson_obj_get(yyjson_doc_get_root(asked.doc), "block");
	block_text[0] = yyjson_val_write(block, 0, NULL);
	block_text[1] = change_block(block, "number", "0x1");
	block_text[2] = change_block(block, "extraData", "0x66");
	proof_text = yyjson_val_write(asked.answer, 0, NULL);
	wrong_proof = strdup(proof_text);
	strstr(wrong_proof, "f90151a0b")[8] = 'c';
	short_proof = strdup(proof_text);
	*strstr(short_proof, "storageProof") = 'S';
	put_answer(says_yes, true, "");
	put_answer(says_no, false,
		   "436f6d706f73652068617368206e6f7420616c6c6f776564");
	chain_client_init();
	for (i = 0; i < SERVERS; i++)
		start(&servers[i]);
	return 0;
}

static int end(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < SERVERS && servers[i].thread; i++) {
		shutdown(servers[i].listener, SHUT_RDWR);
		pthread_join(servers[i].thread, NULL);
		close(servers[i].listener);
	}
	for (i = 0; i < 3; i++)
		free(block_text[i]);
	free(proof_text);
	free(wrong_proof);
	free(short_proof);
	yyjson_doc_free(asked.doc);
	return 0;
}

/*
 * Claims
 */

static struct chain_head head;

static int ask(enum lie a, enum lie b, enum lie c)
{
	const char *const urls[] = {
		servers[0].url, servers[1].url, servers[2].url,
	};
	const struct chain_client client = {
		.urls = urls, .nr = SERVERS, .quorum = 2,
		.chain_id = CHAIN_ID, .tag = "finalized", .timeout_ms = 5000,
		.limits = { .max_age = 600, .max_ahead = 10 },
	};
	struct chain_why why = { "" };
	struct chain_account account;
	struct chain_view view;
	int err;

	vectors_need();
	servers[0].lie = a;
	servers[1].lie = b;
	servers[2].lie = c;
	memset(asked.slots[0].value, 0, 32);
	err = chain_client_agree(&client, &head, TIME + 5, &view, &why);
	if (!err)
		err = chain_view_prove(&view, asked.address, asked.slots,
				       asked.nr, &account, &why);
	assert_int_equal(!err, !why.text[0]);
	/* A URL may have a key in it. */
	assert_null(strstr(why.text, "key-of-mine"));
	assert_null(strchr(why.text, '\033'));
	assert_int_equal(asked.slots[0].value[31], !err);
	return err;
}

static int nothing_accepted(void **state)
{
	(void)state;
	memset(&head, 0, sizeof(head));
	return 0;
}

static void honest_servers_are_enough(void **state)
{
	(void)state;
	assert_int_equal(ask(NONE, NONE, NONE), 0);
	assert_int_equal(head.number, 2);
}

/* Whatever one does, the two others are heard; what two do is refused. */
static void lies_are_refused_and_others_asked(void **state)
{
	static const enum lie lies[] = {
		WRONG_BLOCK, OTHER_NUMBER, OLD_HEAD, FORK, NO_BLOCK,
		OTHER_CHAIN, REFUSES, SILENT, GARBAGE, HUGE_ANSWER, OTHER_CALL,
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
		memset(&head, 0, sizeof(head));
		if (ask(lies[i], NONE, NONE) || ask(NONE, NONE, lies[i]))
			fail_msg("lie %d stops the honest ones", lies[i]);
		memset(&head, 0, sizeof(head));
		/* Of different kinds, so that liars do not agree. */
		if (!ask(lies[i], lies[i] == SILENT ? GARBAGE : SILENT, NONE))
			fail_msg("lie %d is believed", lies[i]);
		assert_int_equal(head.number, 0);
	}
}

static void wrong_proofs_are_refused_and_others_asked(void **state)
{
	static const enum lie lies[] = { WRONG_PROOF, SHORT_PROOF, NO_PROOF };
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
		assert_int_equal(ask(lies[i], lies[i], NONE), 0);
		assert_int_equal(ask(lies[i], lies[i], lies[i]), -EBADMSG);
	}
}

static void attack_72_forked_replicas_get_no_release(void **state)
{
	(void)state;
	assert_int_equal(ask(NONE, FORK, SILENT), -EBADMSG);
	/* Not even all of them, once another block was accepted. */
	assert_int_equal(ask(NONE, NONE, NONE), 0);
	assert_int_equal(ask(FORK, FORK, FORK), -EBADMSG);
	assert_int_equal(ask(OLD_HEAD, OLD_HEAD, OLD_HEAD), -ESTALE);
	assert_int_equal(head.number, 2);
}

/* The header is one chain's, the proof another's: a reorganisation between. */
static void attack_72_reorganised_state_is_not_proven(void **state)
{
	struct chain_why why = { "" };
	struct chain_account account;
	const char *urls[] = { servers[0].url };
	const struct chain_client client = {
		.urls = urls, .nr = 1, .quorum = 1, .timeout_ms = 5000,
	};
	struct chain_view view = { .client = &client, .header.number = 2 };

	(void)state;
	vectors_need();
	servers[0].lie = NONE;
	memset(view.header.state_root, 0x11, CHAIN_HASH);
	assert_int_equal(chain_view_prove(&view, asked.address, asked.slots,
					  asked.nr, &account, &why), -EBADMSG);
}

/*
 * Code that is not known
 */

static int call(enum lie a, enum lie b, enum lie c, const char *want)
{
	static const char *const advisories[] = {
		"INTEL-SA-00837",
		"INTEL-SA-00837-and-a-name-of-more-than-32-bytes", "",
	};
	const char *const urls[] = {
		servers[0].url, servers[1].url, servers[2].url,
	};
	const struct chain_client client = {
		.urls = urls, .nr = SERVERS, .quorum = 2, .timeout_ms = 5000,
	};
	const struct chain_view view = { .client = &client };
	struct chain_boot boot = {
		.tcb_status = "UpToDate", .advisory_ids = advisories,
		.nr_advisory_ids = 3,
	};
	struct chain_verdict verdict = { .policy_epoch = 7, .allowed = true };
	struct chain_why why = { "" };
	int err;

	vectors_need();
	servers[0].lie = a;
	servers[1].lie = b;
	servers[2].lie = c;
	memset(boot.app_id, 1, CHAIN_ADDRESS);
	memset(boot.compose_hash, 2, 32);
	memset(boot.instance_id, 3, CHAIN_ADDRESS);
	memset(boot.device_id, 4, 32);
	memset(boot.mr_aggregated, 5, 32);
	memset(boot.mr_system, 6, 32);
	memset(boot.os_image_hash, 7, 32);
	err = chain_view_ask(&view, asked.address, &boot, false, &verdict,
			     &why);
	assert_int_equal(verdict.asked, !err);
	assert_int_equal(verdict.policy_epoch, 7);
	assert_int_equal(verdict.allowed, !err && !*want);
	if (!err)
		assert_string_equal(verdict.reason, want);
	return err;
}

static void unknown_code_is_asked_of_a_quorum(void **state)
{
	static const char no[] = "Compose hash not allowed";

	(void)state;
	assert_int_equal(call(NONE, NONE, NONE, no), 0);
	assert_int_equal(call(SAYS_YES, NONE, NONE, no), 0);
	assert_int_equal(call(SAYS_YES, SAYS_YES, SILENT, ""), 0);
	assert_int_equal(call(SAYS_YES, NONE, SILENT, no), -EBADMSG);
	assert_int_equal(call(NO_PROOF, NO_PROOF, NO_PROOF, no), -EBADMSG);
	assert_int_equal(call(REFUSES, GARBAGE, NONE, no), -EBADMSG);
}

/* The question is, to the byte, what other libraries encode. */
static void question_is_encoded_as_others_do(void **state)
{
	uint8_t data[708], hash[CHAIN_HASH], want[CHAIN_HASH];
	const char *text;

	(void)state;
	assert_int_equal(call(NONE, NONE, NONE, "Compose hash not allowed"),
			 0);
	text = strstr(called, "\"data\":\"0x");
	assert_non_null(text);
	text += strlen("\"data\":\"0x");
	assert_int_equal(strcspn(text, "\""), 2 * sizeof(data));
	assert_true(libdstack_from_hex(text, 2 * sizeof(data), data,
				       sizeof(data)));
	chain_hex("55fb86255f2487fcbd4f73f8fcb84dfe01a28f9d7582719841dbf303fcef4803",
		  want, CHAIN_HASH);
	assert_true(chain_keccak(data, sizeof(data), hash));
	assert_memory_equal(hash, want, CHAIN_HASH);
}

static void attack_79_a_chain_that_is_away_proves_nothing(void **state)
{
	(void)state;
	assert_int_equal(ask(SILENT, SILENT, SILENT), -EBADMSG);
	assert_int_equal(head.number, 0);
}

/* Which chain, which block, a proof. */
static void slow_servers_are_asked_at_once(void **state)
{
	struct timespec from, to;
	int64_t took_us;

	(void)state;
	clock_gettime(CLOCK_MONOTONIC, &from);
	assert_int_equal(ask(SLOW, SLOW, SLOW), 0);
	clock_gettime(CLOCK_MONOTONIC, &to);
	took_us = (to.tv_sec - from.tv_sec) * 1000000 +
		(to.tv_nsec - from.tv_nsec) / 1000;
	assert_true(took_us >= 3 * SLOW_US);
	assert_true(took_us < 6 * SLOW_US);
}

static void who_has_the_block_is_asked_for_its_proof(void **state)
{
	(void)state;
	assert_int_equal(ask(OLD_HEAD, NONE, NONE), 0);
	assert_non_null(strstr(called, "eth_getBlockByNumber"));
	/* But before nobody is. */
	assert_int_equal(ask(OLD_HEAD, NO_PROOF, NO_PROOF), 0);
	assert_non_null(strstr(called, "eth_getProof"));
}

static void half_of_the_servers_are_no_quorum(void **state)
{
	const char *const urls[] = { "https://a", "https://b" };
	struct chain_client client = { .urls = urls, .nr = 2, .quorum = 1 };
	struct chain_view view;
	struct chain_why why = { "" };

	(void)state;
	assert_int_equal(chain_client_agree(&client, &head, TIME, &view, &why),
			 -EINVAL);
	client.quorum = 3;
	assert_int_equal(chain_client_agree(&client, &head, TIME, &view, &why),
			 -EINVAL);
}

static void only_this_machine_is_asked_without_tls(void **state)
{
	static const char *const bad[] = {
		"http://192.0.2.1/", "http://localhost.example/", "ftp://a/",
		"file:///etc/passwd", "http://127.0.0.1@192.0.2.1/", "",
	};
	const struct chain_client client = { .timeout_ms = 100 };
	struct chain_why why;
	size_t i, len;
	char *reply;

	(void)state;
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		why.text[0] = 0;
		assert_int_equal(chain_http_post(&client, bad[i], "{}", &reply,
						 &len, &why), -EINVAL);
	}
}

#define test(name)	cmocka_unit_test_setup(name, nothing_accepted)

int main(void)
{
	const struct CMUnitTest tests[] = {
		test(honest_servers_are_enough),
		test(lies_are_refused_and_others_asked),
		test(wrong_proofs_are_refused_and_others_asked),
		test(attack_72_forked_replicas_get_no_release),
		test(attack_72_reorganised_state_is_not_proven),
		test(unknown_code_is_asked_of_a_quorum),
		test(question_is_encoded_as_others_do),
		test(attack_79_a_chain_that_is_away_proves_nothing),
		test(slow_servers_are_asked_at_once),
		test(who_has_the_block_is_asked_for_its_proof),
		test(half_of_the_servers_are_no_quorum),
		test(only_this_machine_is_asked_without_tls),
	};

	return cmocka_run_group_tests_name("chain_client", tests, begin, end);
}
