// SPDX-License-Identifier: MIT
/*
 * What the configuration says of other TEEs than TDX
 *
 * Copyright The dstack for Linux authors
 */
#include <errno.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../app/app.h"
#include "tees.h"

#define PATH_MAX_LEN	1024
#define CERTS_MAX	65536		/* bytes of a file of them */
#define LEVEL_MAX	255

/*
 * Certificates
 */

static bool is_cert(const char *data, size_t len)
{
	const unsigned char *p = (const unsigned char *)data;
	BIO *bio = BIO_new_mem_buf(data, (int)len);
	X509 *cert = bio ? PEM_read_bio_X509(bio, NULL, NULL, NULL) : NULL;
	bool found;

	if (!cert)
		cert = d2i_X509(NULL, &p, (long)len);
	found = cert;
	X509_free(cert);
	BIO_free(bio);
	ERR_clear_error();
	return found;
}

static int read_certs(const struct app_json *json, const char *field,
		      char **data, size_t *len)
{
	char *path = NULL;
	int err = app_json_text(json, field, PATH_MAX_LEN, &path);

	if (!err && path)
		err = app_path_read(path, CERTS_MAX, data, len, json->tell);
	if (!err && path && !is_cert(*data, *len))
		err = app_json_refuse(json, field, "no certificate is in that file, in PEM or DER");
	free(path);
	return err;
}

/*
 * Levels
 */

static int read_level(const struct app_json *json, const char *field,
		      uint8_t *level)
{
	uint64_t value = UINT64_MAX;
	int err = app_json_number(json, field, 0, LEVEL_MAX, &value);

	if (!err && value == UINT64_MAX)
		err = app_json_refuse(json, field, "has to be there");
	if (!err)
		*level = (uint8_t)value;
	return err;
}

static int read_levels(const struct app_json *levels,
		       enum libdstack_snp_product product,
		       struct libdstack_snp_tcb *min)
{
	static const char *const all[] = {
		"bootloader", "tee", "snp", "microcode", "fmc", NULL
	};
	static const char *const usual[] = {
		"bootloader", "tee", "snp", "microcode", NULL
	};
	bool fmc = product == LIBDSTACK_SNP_TURIN;

	return app_json_check(levels, fmc ? all : usual) ?:
		read_level(levels, "bootloader", &min->bootloader) ?:
		read_level(levels, "tee", &min->tee) ?:
		read_level(levels, "snp", &min->snp) ?:
		read_level(levels, "microcode", &min->microcode) ?:
		(fmc ? read_level(levels, "fmc", &min->fmc) : 0);
}

/* AMD signs no list of what is good: there is no default. */
static int read_min_tcb(const struct app_json *json, struct tees *tees)
{
	static const char *const known[] = { "Milan", "Genoa", "Turin", NULL };
	enum libdstack_snp_product product = LIBDSTACK_SNP_MILAN;
	struct app_json all, one;
	bool any = false;
	int err = app_json_enter(json, "min_tcb", "sev_snp.min_tcb", &all) ?:
		app_json_check(&all, known);

	for (; !err && product < __LIBDSTACK_SNP_PRODUCT_MAX; product++) {
		const char *name = libdstack_snp_product_name(product);
		char object[32];

		snprintf(object, sizeof(object), "sev_snp.min_tcb.%s", name);
		err = app_json_enter(&all, name, object, &one);
		if (err || !one.value)
			continue;
		err = read_levels(&one, product, &tees->products[product].min);
		tees->products[product].known = !err;
		any = true;
	}
	if (!err && !any)
		err = app_json_refuse(json, "min_tcb", "want the lowest levels that are good enough, of Milan, Genoa or Turin");
	return err;
}

/*
 * Images
 */

static int read_bytes(const struct app_json *json, const char *field,
		      uint8_t *out, size_t len)
{
	bool found = false;
	int err = app_json_id(json, field, out, len, &found);

	return !err && !found ? app_json_refuse(json, field,
						"has to be there") : err;
}

static int read_image(const struct app_json *json, yyjson_val *value,
		      struct tees_image *image)
{
	static const char *const known[] = {
		"os_image_hash", "measurement", NULL
	};
	struct app_json one = *json;

	if (!yyjson_is_obj(value))
		return app_json_refuse(json, "images",
				       "want a list of objects");
	one.object = "sev_snp.images";
	one.value = value;
	return app_json_check(&one, known) ?:
		read_bytes(&one, known[0], image->hash, sizeof(image->hash)) ?:
		read_bytes(&one, known[1], image->measurement,
			   sizeof(image->measurement));
}

static int read_images(const struct app_json *json, struct tees *tees)
{
	yyjson_val *list = app_json_find(json, "images"), *value;
	size_t i, nr;
	int err = 0;

	if (!list)
		return 0;
	if (!yyjson_is_arr(list) || yyjson_arr_size(list) > TEES_IMAGES_MAX)
		return app_json_refuse(json, "images",
				       "want a list of %d at most",
				       TEES_IMAGES_MAX);
	tees->images = calloc(yyjson_arr_size(list) + 1,
			      sizeof(*tees->images));
	if (!tees->images)
		return -ENOMEM;
	yyjson_arr_foreach(list, i, nr, value)
		if (!err)
			err = read_image(json, value,
					 &tees->images[tees->nr_images++]);
	return err;
}

static int read_snp(const struct app_json *json, struct tees *tees)
{
	static const char *const known[] = {
		"certs", "root", "min_tcb", "images", NULL
	};
	struct app_json snp;
	size_t len = 0;
	int err = app_json_enter(json, "sev_snp", "sev_snp", &snp);

	if (err || !snp.value)
		return err;
	err = app_json_check(&snp, known) ?:
		read_certs(&snp, "certs", &tees->certs, &len) ?:
		read_certs(&snp, "root", &tees->snp_root,
			   &tees->chain.root_len) ?:
		read_min_tcb(&snp, tees) ?: read_images(&snp, tees);
	tees->blob = (struct libdstack_snp_blob){ tees->certs, len };
	tees->chain.certs = &tees->blob;
	tees->chain.nr_certs = tees->certs ? 1 : 0;
	tees->chain.root = tees->snp_root;
	tees->snp = true;
	return err;
}

static int read_nitro(const struct app_json *json, struct tees *tees)
{
	static const char *const known[] = { "root", NULL };
	struct app_json nitro;
	int err = app_json_enter(json, "nitro", "nitro", &nitro);

	if (err || !nitro.value)
		return err;
	tees->nitro = true;
	return app_json_check(&nitro, known) ?:
		read_certs(&nitro, "root", &tees->nitro_root,
			   &tees->nitro_root_len);
}

int tees_read(const struct app_json *json, struct tees **out)
{
	struct tees *tees = calloc(1, sizeof(*tees));
	int err = tees ? read_snp(json, tees) ?: read_nitro(json, tees) :
		-ENOMEM;

	if (err)
		tees_free(tees);
	else
		*out = tees;
	return err;
}

void tees_free(struct tees *tees)
{
	if (!tees)
		return;
	free(tees->certs);
	free(tees->snp_root);
	free(tees->nitro_root);
	free(tees->images);
	free(tees);
}
