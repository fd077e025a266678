// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) The dstack for Linux authors
 *
 * Files of a PKI directory.
 */
#include "files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <openssl/pem.h>

#define PATH_SIZE	4096
#define FILE_MODE	0644
#define KEY_MODE	0600

static int complain(const char *what, const char *path, int err)
{
	fprintf(stderr, "mkpki: can't %s '%s': %s\n", what, path,
		strerror(-err));
	return err;
}

static int join(char path[PATH_SIZE], const char *dir, const char *name,
		const char *suffix)
{
	int len = snprintf(path, PATH_SIZE, "%s/%s%s", dir, name, suffix);

	if (len > 0 && len < PATH_SIZE)
		return 0;
	return complain("use", dir, -ENAMETOOLONG);
}

static int write_path(const char *path, mode_t mode, const void *data,
		      size_t size)
{
	int fd, err = 0;
	ssize_t put;

	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);
	if (fd < 0)
		return complain("write", path, -errno);
	put = write(fd, data, size);
	if (put < 0)
		err = -errno;
	else if ((size_t)put != size)
		err = -ENOSPC;
	if (close(fd) && !err)
		err = -errno;
	return err ? complain("write", path, err) : 0;
}

int file_write(const char *dir, const char *name, const void *data,
	       size_t size)
{
	char path[PATH_SIZE];
	int err = join(path, dir, name, "");

	return err ? err : write_path(path, FILE_MODE, data, size);
}

static int write_bio(const char *dir, const char *name, const char *suffix,
		     mode_t mode, BIO *bio)
{
	char path[PATH_SIZE];
	char *data;
	long size = BIO_get_mem_data(bio, &data);
	int err = join(path, dir, name, suffix);

	return err ? err : write_path(path, mode, data, (size_t)size);
}

int identity_write(const char *dir, const char *name,
		   const struct identity *identity)
{
	BIO *key = BIO_new(BIO_s_mem()), *cert = BIO_new(BIO_s_mem());
	int err = -ENOMEM;

	if (key && cert &&
	    PEM_write_bio_PrivateKey(key, identity->key, NULL, NULL, 0, NULL,
				     NULL) == 1 &&
	    PEM_write_bio_X509(cert, identity->cert) == 1) {
		err = write_bio(dir, name, ".key", KEY_MODE, key);
		if (!err)
			err = write_bio(dir, name, ".pem", FILE_MODE, cert);
	}
	BIO_free(key);
	BIO_free(cert);
	return err;
}

static int open_input(const char *dir, const char *name, const char *suffix,
		      BIO **bio)
{
	char path[PATH_SIZE];
	int err = join(path, dir, name, suffix);

	if (err)
		return err;
	*bio = BIO_new_file(path, "r");
	return *bio ? 0 : complain("read", path, errno ? -errno : -EIO);
}

int identity_read(const char *dir, const char *name,
		  struct identity *identity)
{
	BIO *bio;
	int err = open_input(dir, name, ".key", &bio);

	if (err)
		return err;
	identity->key = PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL);
	BIO_free(bio);
	err = open_input(dir, name, ".pem", &bio);
	if (err)
		return err;
	identity->cert = PEM_read_bio_X509(bio, NULL, NULL, NULL);
	BIO_free(bio);
	if (identity->key && identity->cert)
		return 0;
	return complain("understand key and certificate in", dir, -EINVAL);
}

char *chain_text(X509 *const *certs, size_t count)
{
	BIO *bio = BIO_new(BIO_s_mem());
	char *data, *text = NULL;
	bool ok = bio;
	size_t i;
	long size;

	for (i = 0; ok && i < count; i++)
		ok = PEM_write_bio_X509(bio, certs[i]) == 1;
	if (ok) {
		size = BIO_get_mem_data(bio, &data);
		text = strndup(data, (size_t)size);
	}
	BIO_free(bio);
	return text;
}

char *hex_text(const unsigned char *data, size_t size)
{
	char *text = malloc(2 * size + 1);
	size_t i;

	if (!text)
		return NULL;
	text[0] = '\0';
	for (i = 0; i < size; i++)
		snprintf(text + 2 * i, 3, "%02x", data[i]);
	return text;
}
