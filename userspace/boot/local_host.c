// SPDX-License-Identifier: MIT
/*
 * The host's API, asked once, and nothing believed about how it answers
 *
 * Copyright The dstack for Linux authors
 *
 * By libcurl: JSON over HTTP, and that over vsock, where curl is given a socket
 * that is connected already.  Nothing that is sent or comes back is a secret,
 * and no certificate makes a host honest: TLS is nothing that is asked for.
 */
#include "local.h"

#include <curl/curl.h>
#include <errno.h>
#include <host.pb-c.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/vm_sockets.h>

#include "../rpc/codec.h"

#define METHOD		"/GetSealingKey?json"
#define VSOCK		"vsock://"
/* The name is for nobody: the socket leads where it leads. */
#define VSOCK_BASE	"http://127.0.0.1"
#define URL_MAX		1024
#define ANSWER_MAX	65536
#define OK		200
#define REFUSED		400
#define URL_SHOWN	100
#define SHOWN		300	/* bytes of the host's words */

/* One request. */
struct call {
	const char *url;		/* as the host gave it */
	struct sockaddr_vm vsock;
	bool is_vsock;
	int socket_err;			/* why there is no such socket */
	void *body;			/* ANSWER_MAX bytes */
	size_t len;
	bool too_large;
	long status;
};

/* The host's words, which no terminal shall obey. */
static int fail(const struct call *call, int err, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

static int fail(const struct call *call, int err, const char *fmt, ...)
{
	char text[SHOWN + 200], *p;
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	for (p = text; *p; p++)
		if (*p < ' ' || *p > '~')
			*p = '?';
	return boot_fail(err, "the host's API at '%.*s': %s", URL_SHOWN,
			 call->url, text);
}

/*
 * Where it is
 */

static bool is_plain(const char *text)
{
	for (; *text; text++)
		if (*text <= ' ' || *text > '~')
			return false;
	return true;
}

/* Digits up to @end, where *@text is set to. */
static bool take_number(const char **text, char end, uint32_t *number)
{
	const char *last = strchr(*text, end);
	char digits[16] = "";
	uint64_t value;

	if (!last || (size_t)(last - *text) >= sizeof(digits))
		return false;
	memcpy(digits, *text, last - *text);
	if (!libdstack_parse_u64(digits, UINT32_MAX, &value))
		return false;
	*number = value;
	*text = last;
	return true;
}

/* CID:PORT/PATH; *@path is what begins with the '/'. */
static bool take_vsock(struct call *call, const char *text, const char **path)
{
	call->is_vsock = true;
	call->vsock = (struct sockaddr_vm){ .svm_family = AF_VSOCK };
	*path = text;
	if (!take_number(path, ':', &call->vsock.svm_cid))
		return false;
	++*path;
	return take_number(path, '/', &call->vsock.svm_port);
}

/* The URL of the method, for free(); or NULL. */
static char *make_url(struct call *call)
{
	const char *path = call->url, *base = "";
	size_t len;
	char *whole;

	if (!strncmp(call->url, VSOCK, strlen(VSOCK))) {
		if (!take_vsock(call, call->url + strlen(VSOCK), &path))
			return NULL;
		base = VSOCK_BASE;
	}
	len = strlen(path);
	while (len && path[len - 1] == '/')
		len--;
	return asprintf(&whole, "%s%.*s" METHOD, base, (int)len, path) < 0 ?
		NULL : whole;
}

static bool is_good(const char *url)
{
	return strlen(url) < URL_MAX && is_plain(url) &&
		!strpbrk(url, "?#@") &&
		(!strncmp(url, VSOCK, strlen(VSOCK)) ||
		 !strncmp(url, "http://", 7) || !strncmp(url, "https://", 8));
}

/*
 * Being there.  Connecting to a vsock is over after two seconds, which is the
 * kernel's own limit.
 */

static curl_socket_t open_vsock(void *arg, curlsocktype purpose,
				struct curl_sockaddr *address)
{
	struct call *call = arg;
	int fd = socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)purpose;
	(void)address;
	if (fd < 0) {
		call->socket_err = errno;
		return CURL_SOCKET_BAD;
	}
	if (!connect(fd, (const struct sockaddr *)&call->vsock,
		     sizeof(call->vsock)))
		return fd;
	call->socket_err = errno;
	close(fd);
	return CURL_SOCKET_BAD;
}

static int is_connected(void *arg, curl_socket_t fd, curlsocktype purpose)
{
	(void)arg;
	(void)fd;
	(void)purpose;
	return CURL_SOCKOPT_ALREADY_CONNECTED;
}

static size_t keep(char *data, size_t size, size_t nr, void *arg)
{
	struct call *call = arg;
	size_t len = size * nr;

	if (len > ANSWER_MAX - call->len) {
		call->too_large = true;
		return 0;
	}
	memcpy((char *)call->body + call->len, data, len);
	call->len += len;
	return len;
}

static void set_options(CURL *curl, struct call *call, unsigned int timeout_s)
{
	curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, timeout_s * 1000L);
	curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 0L);
	curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(curl, CURLOPT_PROXY, "");
	curl_easy_setopt(curl, CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_1_1);
	curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, keep);
	curl_easy_setopt(curl, CURLOPT_WRITEDATA, call);
	if (!call->is_vsock)
		return;
	curl_easy_setopt(curl, CURLOPT_OPENSOCKETFUNCTION, open_vsock);
	curl_easy_setopt(curl, CURLOPT_OPENSOCKETDATA, call);
	curl_easy_setopt(curl, CURLOPT_SOCKOPTFUNCTION, is_connected);
}

static int judge(const struct call *call, CURLcode code, const char *text)
{
	if (!*text)
		text = curl_easy_strerror(code);
	if (call->socket_err)
		return fail(call, -EHOSTUNREACH, "can't be reached: %s",
			    strerror(call->socket_err));
	if (call->too_large)
		return fail(call, -EBADMSG,
			    "its answer is larger than %d bytes", ANSWER_MAX);
	switch (code) {
	case CURLE_OK:
		return 0;
	case CURLE_OUT_OF_MEMORY:
		return fail(call, -ENOMEM, "out of memory");
	case CURLE_OPERATION_TIMEDOUT:
		return fail(call, -EHOSTUNREACH,
			    "it did not answer in time: %s", text);
	case CURLE_WEIRD_SERVER_REPLY:
	case CURLE_UNSUPPORTED_PROTOCOL:
		return fail(call, -EBADMSG, "its answer is no HTTP: %s", text);
	default:
		break;
	}
	return call->status ?
		fail(call, -EBADMSG, "its answer ends early: %s", text) :
		fail(call, -EHOSTUNREACH, "can't be asked: %s", text);
}

static int perform(struct call *call, CURL *curl)
{
	char text[CURL_ERROR_SIZE] = "";
	CURLcode code;

	curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, text);
	code = curl_easy_perform(curl);
	curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &call->status);
	return judge(call, code, text);
}

static int post(struct call *call, const char *url, unsigned int timeout_s,
		const void *data, size_t len)
{
	struct curl_slist second = { (char[]){ "Expect:" }, NULL };
	struct curl_slist headers = {
		(char[]){ "Content-Type: application/json" }, &second
	};
	CURL *curl = curl_easy_init();
	int err;

	if (!curl)
		return -ENOMEM;
	set_options(curl, call, timeout_s);
	curl_easy_setopt(curl, CURLOPT_URL, url);
	curl_easy_setopt(curl, CURLOPT_HTTPHEADER, &headers);
	curl_easy_setopt(curl, CURLOPT_POSTFIELDS, data);
	curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)len);
	err = perform(call, curl);
	curl_easy_cleanup(curl);
	return err;
}

/*
 * What is said
 */

static int send_quote(struct call *call, unsigned int timeout_s,
		      const struct libdstack_quote *quote)
{
	Host__GetSealingKeyRequest request;
	char *url = make_url(call);
	void *text = NULL;
	size_t len;
	int err;

	if (!url)
		return fail(call, -EINVAL, "is not of the form vsock://CID:PORT/PATH");
	host__get_sealing_key_request__init(&request);
	request.quote = (ProtobufCBinaryData){ quote->len, quote->data };
	err = rpc_json_write(&request.base, &text, &len);
	if (!err)
		err = post(call, url, timeout_s, text, len);
	free(text);
	free(url);
	return err;
}

static int read_message(const struct call *call,
			const ProtobufCMessageDescriptor *desc,
			struct rpc_memory *memory, ProtobufCMessage **msg,
			struct rpc_error *error)
{
	const struct rpc_method method = { .in = desc };
	const struct rpc_request text = {
		.what = "it", .body = call->body, .len = call->len,
	};

	*memory = (struct rpc_memory){ .left = call->len + (1u << 20) };
	return rpc_json_read(&text, &method, memory, msg, error);
}

static int refused(const struct call *call)
{
	ProtobufCMessage *msg = NULL;
	struct rpc_error error = { 0 };
	struct rpc_memory memory;
	ProtobufCAllocator allocator;
	const char *text = "";
	int err;

	if (!read_message(call, &host__error_response__descriptor, &memory,
			  &msg, &error))
		text = ((Host__ErrorResponse *)msg)->error;
	if (call->status == REFUSED && *text)
		err = fail(call, -EACCES, "refused: %.*s", SHOWN, text);
	else if (call->status / 100 == 3)
		err = fail(call, -EBADMSG, "it redirects (HTTP %ld), which is not followed",
			   call->status);
	else
		err = fail(call, -EBADMSG, "HTTP %ld%s%.*s", call->status,
			   *text ? ": " : "", SHOWN, text);
	allocator = rpc_memory_for_messages(&memory);
	protobuf_c_message_free_unpacked(msg, &allocator);
	return err;
}

static int take(const struct call *call,
		const Host__GetSealingKeyResponse *msg,
		struct local_answer *answer)
{
	const ProtobufCBinaryData *box = &msg->encrypted_key;
	const ProtobufCBinaryData *quote = &msg->provider_quote;

	if (box->len != LOCAL_BOX_SIZE)
		return fail(call, -EBADMSG,
			    "encrypted_key has %zu bytes, not %d", box->len,
			    LOCAL_BOX_SIZE);
	if (!quote->len)
		return fail(call, -EBADMSG, "provider_quote is missing");
	answer->quote = malloc(quote->len);
	if (!answer->quote)
		return -ENOMEM;
	memcpy(answer->quote, quote->data, quote->len);
	answer->quote_len = quote->len;
	memcpy(answer->box, box->data, LOCAL_BOX_SIZE);
	return 0;
}

static int read_answer(const struct call *call, struct local_answer *answer)
{
	struct rpc_error error = { 0 };
	ProtobufCAllocator allocator;
	ProtobufCMessage *msg = NULL;
	struct rpc_memory memory;
	int err;

	if (call->status != OK)
		return refused(call);
	err = read_message(call, &host__get_sealing_key_response__descriptor,
			   &memory, &msg, &error);
	if (err)
		err = fail(call, err == -ENOMEM ? err : -EBADMSG,
			   "its answer can't be read: %s", error.text);
	else
		err = take(call, (const Host__GetSealingKeyResponse *)msg,
			   answer);
	allocator = rpc_memory_for_messages(&memory);
	protobuf_c_message_free_unpacked(msg, &allocator);
	return err;
}

int local_ask(const char *url, unsigned int timeout_s,
	      const struct libdstack_quote *quote, struct local_answer *answer)
{
	struct call call = { .url = url };
	int err;

	*answer = (struct local_answer){ .quote = NULL };
	if (!*url)
		return boot_fail(-EINVAL, BOOT_SYS_CONFIG " has no host_api_url: there is nobody to ask for a key");
	if (!is_good(url))
		return boot_fail(-EINVAL, BOOT_SYS_CONFIG ": host_api_url is not of the form vsock://CID:PORT/PATH, or http://");
	call.body = malloc(ANSWER_MAX);
	if (!call.body)
		return -ENOMEM;
	err = send_quote(&call, timeout_s, quote) ?:
		read_answer(&call, answer);
	free(call.body);
	return err;
}
