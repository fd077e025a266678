// SPDX-License-Identifier: MIT
/*
 * What is public of a KMS that was set up: upstream's bootstrap-info.json
 *
 * Copyright The dstack for Linux authors
 *
 * Not part of the state: it is made again from that, with new evidence, if it
 * is not there.
 */
#include "room.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/x509.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../../keys/pem.h"

#define ATTESTATION_MAX	(10U << 20)
#define INFO_MAX	(2 * ATTESTATION_MAX + 1024)
#define FORM "{\"ca_pubkey\":\"%s\",\"k256_pubkey\":\"%s\",\"attestation\":\"%s\"}\n"

static char *hex_of(const void *data, size_t len)
{
	char *hex = malloc(2 * len + 1);

	return hex ? libdstack_to_hex(data, len, hex) : NULL;
}

static char *ca_hex(const char *pem)
{
	X509 *cert = pem_read_cert(pem);
	uint8_t *spki = NULL;
	char *hex = NULL;
	int len;

	len = cert ? i2d_X509_PUBKEY(X509_get_X509_PUBKEY(cert), &spki) : 0;
	if (len > 0)
		hex = hex_of(spki, len);
	OPENSSL_free(spki);
	X509_free(cert);
	ERR_clear_error();
	return hex;
}

static int make(const struct key_epoch *epoch, const void *attestation,
		size_t len, char **text)
{
	char *ca = ca_hex(epoch->ca_cert);
	char *k256 = hex_of(epoch->k256_public, sizeof(epoch->k256_public));
	char *evidence = hex_of(attestation, len);
	int err = -ENOMEM;

	*text = NULL;
	if (ca && k256 && evidence)
		err = asprintf(text, FORM, ca, k256, evidence) < 0 ?
			-ENOMEM : 0;
	free(ca);
	free(k256);
	free(evidence);
	return err;
}

int state_write_info(struct state *state, uint64_t number,
		     const void *attestation, size_t len)
{
	struct key_epoch *epoch;
	char *text = NULL;
	int err;

	if (len > ATTESTATION_MAX)
		return state_fail(state, -EINVAL, "evidence of %zu bytes is none",
				  len);
	pthread_mutex_lock(&state->lock);
	epoch = epoch_find(state, number);
	err = epoch ? make(epoch, attestation, len, &text) : -ENOENT;
	if (!err)
		err = file_replace(state->dir, STATE_INFO, 0644, text,
				   strlen(text));
	pthread_mutex_unlock(&state->lock);
	free(text);
	return err ? state_fail(state, err, "can't write '%s/" STATE_INFO "': %s",
				state->options.dir, strerror(-err)) : 0;
}

int state_read_info(struct state *state, char **text, size_t *len)
{
	struct stat st;
	int fd, err = 0;

	*text = NULL;
	fd = openat(state->dir, STATE_INFO, O_RDONLY | O_NOFOLLOW |
		    O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd < 0)
		return errno == ELOOP || errno == ENXIO ? -EPERM : -errno;
	if (fstat(fd, &st))
		err = -errno;
	else if (!S_ISREG(st.st_mode))
		err = -EPERM;
	else if (st.st_size >= INFO_MAX)
		err = -EFBIG;
	if (!err) {
		*text = malloc((size_t)st.st_size + 1);
		err = *text ? file_read_all(fd, (size_t)st.st_size + 1,
					    (uint8_t *)*text, len) : -ENOMEM;
	}
	close(fd);
	if (!err)
		(*text)[*len] = '\0';
	else
		free(*text);
	return err;
}

bool state_has_info(struct state *state)
{
	struct stat st;

	return !fstatat(state->dir, STATE_INFO, &st, AT_SYMLINK_NOFOLLOW) &&
		S_ISREG(st.st_mode);
}
