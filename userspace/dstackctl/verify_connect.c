// SPDX-License-Identifier: MIT
/*
 * dstackctl verify connect: who answers there, right now
 *
 * Copyright The dstack for Linux authors
 *
 * A TLS server shows a certificate with evidence for its key.  A guest's agent,
 * on a socket of this machine, is asked for evidence with a fresh nonce.
 */
#include "verify.h"

#include <curl/curl.h>
#include <errno.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <string.h>

#define TIMEOUT_MS	30000L
#define UNIX		"unix:"
#define HTTPS		"https://"

struct reply {
	char *data;
	size_t len;
};

/* Less than was given makes curl stop. */
static size_t receive(char *data, size_t size, size_t nr, void *arg)
{
	struct reply *reply = arg;
	char *more;

	(void)size;
	if (nr > LIBDSTACK_ATTESTATION_MAX - reply->len)
		return 0;
	more = realloc(reply->data, reply->len + nr + 1);
	if (!more)
		return 0;
	reply->data = more;
	memcpy(reply->data + reply->len, data, nr);
	reply->len += nr;
	reply->data[reply->len] = '\0';
	return nr;
}

static int connect_error(const struct request *request, CURLcode code,
			 const char *why)
{
	error_msg("can't connect to '%s': %s", request->file,
		  *why ? why : code ? curl_easy_strerror(code) :
				      "it shows no certificate");
	return -ECONNREFUSED;
}

/*
 * Agents
 */

static void prepare_ask(CURL *curl, const struct request *request,
			const char *body, struct reply *reply)
{
	curl_easy_setopt(curl, CURLOPT_UNIX_SOCKET_PATH,
			 request->file + strlen(UNIX));
	curl_easy_setopt(curl, CURLOPT_URL, "http://localhost/GetQuote");
	curl_easy_setopt(curl, CURLOPT_POSTFIELDS, body);
	curl_easy_setopt(curl, CURLOPT_FAILONERROR, 1L);
	curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, receive);
	curl_easy_setopt(curl, CURLOPT_WRITEDATA, reply);
}

/* Asks for evidence of a nonce, which the policy then asks for. */
static int ask_agent(CURL *curl, struct request *request, char *why,
		     struct reply *reply)
{
	char hex[2 * DSTACK_REPORT_DATA_SIZE + 1], body[192];
	struct curl_slist *headers;
	CURLcode code;

	if (RAND_bytes(request->policy.report_data,
		       sizeof(request->policy.report_data)) != 1) {
		error_msg("no random bytes for a nonce");
		return -EIO;
	}
	request->policy.pin_report_data = true;
	libdstack_to_hex(request->policy.report_data, DSTACK_REPORT_DATA_SIZE,
			 hex);
	snprintf(body, sizeof(body), "{\"report_data\":\"%s\"}", hex);
	prepare_ask(curl, request, body, reply);
	headers = curl_slist_append(NULL, "Content-Type: application/json");
	curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
	code = curl_easy_perform(curl);
	curl_slist_free_all(headers);
	return code ? connect_error(request, code, why) : 0;
}

static int verify_agent(CURL *curl, struct request *request, char *why,
			struct input *in, struct outcome *out)
{
	struct reply reply = { NULL, 0 };
	int err = ask_agent(curl, request, why, &reply);

	in->data = reply.data;
	in->len = reply.len;
	return err ? err : verify_container(request, in, out);
}

/*
 * TLS servers
 */

/* The handshake proves that the server has the key of the first. */
static STACK_OF(X509) *get_certs(CURL *curl)
{
	static const char name[] = "Cert:";
	const struct curl_certinfo *info = NULL;
	struct reply pem = { NULL, 0 };
	STACK_OF(X509) *certs = NULL;
	const struct curl_slist *line;
	size_t len;
	int i;

	curl_easy_getinfo(curl, CURLINFO_CERTINFO, &info);
	for (i = 0; info && i < info->num_of_certs; i++)
		for (line = info->certinfo[i]; line; line = line->next) {
			if (strncmp(line->data, name, strlen(name)) != 0)
				continue;
			len = strlen(line->data) - strlen(name);
			receive(line->data + strlen(name), 1, len, &pem);
		}
	if (pem.len)
		certs = parse_certs(pem.data, pem.len);
	free(pem.data);
	return certs;
}

/* Only with a trusted issuer is a name more than what the server claims. */
static bool check_name(CURLU *url, X509 *cert, struct outcome *out)
{
	char *host = NULL;
	bool good = false;

	if (!curl_url_get(url, CURLUPART_HOST, &host, 0))
		good = X509_check_host(cert, host, 0, 0, NULL) == 1 ||
			X509_check_ip_asc(cert, host, 0) == 1;
	report_add(&out->report, good, "server's name", "%s",
		   good ? host : "the certificate is for another");
	curl_free(host);
	return good;
}

static int verify_server(CURL *curl, struct request *request, const char *why,
			 struct input *in, struct outcome *out)
{
	CURLU *url = curl_url();
	STACK_OF(X509) *certs;
	CURLcode code;
	int err = 0;

	if (curl_url_set(url, CURLUPART_URL, request->file, 0)) {
		curl_url_cleanup(url);
		return connect_error(request, CURLE_URL_MALFORMAT, why);
	}
	/* Nothing is sent, and what is received is judged here. */
	curl_easy_setopt(curl, CURLOPT_CURLU, url);
	curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "https");
	curl_easy_setopt(curl, CURLOPT_CONNECT_ONLY, 1L);
	curl_easy_setopt(curl, CURLOPT_CERTINFO, 1L);
	curl_easy_setopt(curl, CURLOPT_SSL_VERIFYPEER, 0L);
	curl_easy_setopt(curl, CURLOPT_SSL_VERIFYHOST, 0L);
	code = curl_easy_perform(curl);
	certs = code ? NULL : get_certs(curl);
	if (!certs)
		err = connect_error(request, code, why);
	else if (!request->ca ||
		 check_name(url, sk_X509_value(certs, 0), out))
		err = verify_certs(request, in, certs, out);
	sk_X509_pop_free(certs, X509_free);
	curl_url_cleanup(url);
	return err;
}

int verify_connect(struct request *request, struct input *in,
		   struct outcome *out)
{
	char why[CURL_ERROR_SIZE] = "";
	bool agent = !strncmp(request->file, UNIX, strlen(UNIX));
	CURL *curl;
	int err;

	if (!agent && strncmp(request->file, HTTPS, strlen(HTTPS)) != 0) {
		error_msg("'%s' is neither https://HOST[:PORT] nor unix:PATH",
			  request->file);
		return -EINVAL;
	}
	err = input_read_others(request, in);
	if (err)
		return err;
	curl = curl_easy_init();
	if (!curl) {
		error_msg("out of memory");
		return -ENOMEM;
	}
	curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, why);
	curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, TIMEOUT_MS);
	curl_easy_setopt(curl, CURLOPT_PROXY, "");
	err = agent ? verify_agent(curl, request, why, in, out) :
		      verify_server(curl, request, why, in, out);
	curl_easy_cleanup(curl);
	return err;
}
