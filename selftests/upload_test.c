// SPDX-License-Identifier: MIT
/*
 * Loading a policy: a table that is wrong in any way changes nothing
 *
 * Copyright The dstack for Linux authors
 *
 * Epochs only rise, so the policy of the last test stays: one without rules.
 */
#include "dstack_test.h"
#include "genl.h"
#include "upload.h"

FIXTURE(upload)
{
	struct genl genl, other;
	struct libdstack_control *control;
	struct libdstack_status before;
	struct table table;
};

FIXTURE_SETUP(upload)
{
	int err = genl_open(&self->genl);

	if (err == -ENOENT)
		SKIP(return, "no family " DSTACK_GENL_NAME ": load the module");
	ASSERT_EQ(0, err);
	ASSERT_EQ(0, genl_open(&self->other));
	ASSERT_EQ(0, libdstack_control_open(&self->control));
	ASSERT_EQ(0, libdstack_status(self->control, &self->before));
	make_table(&self->table, self->before.policy_epoch + 1);
}

FIXTURE_TEARDOWN(upload)
{
	libdstack_control_close(self->control);
	genl_close(&self->other);
	genl_close(&self->genl);
}

/*
 * The order of messages
 */

TEST_F(upload, data_without_begin_rejected)
{
	struct genl *genl = &self->genl;

	EXPECT_EQ(-ENOENT, data(genl, "x", 1));
	EXPECT_STRNE("", genl->why);
	EXPECT_EQ(-ENOENT, commit(genl));
	EXPECT_STRNE("", genl->why);
}

TEST_F(upload, size_out_of_bounds_rejected)
{
	static const uint32_t sizes[] = { 0, DSTACK_TABLE_MAX + 1, UINT32_MAX };
	size_t i;

	for (i = 0; i < ARRAY_SIZE(sizes); i++)
		EXPECT_EQ(-EFBIG, begin(&self->genl, sizes[i]))
			TH_LOG("size %u", sizes[i]);
	EXPECT_STRNE("", self->genl.why);
	EXPECT_EQ(-ENOENT, commit(&self->genl));
	EXPECT_EQ(0, begin(&self->genl, DSTACK_TABLE_MAX));
}

TEST_F(upload, refused_begin_keeps_the_upload)
{
	struct genl *genl = &self->genl;

	ASSERT_EQ(0, begin(genl, sizeof(self->table)));
	EXPECT_EQ(-EFBIG, begin(genl, 0));
	EXPECT_EQ(0, data(genl, &self->table, 64));
}

TEST_F(upload, more_than_announced_rejected)
{
	struct genl *genl = &self->genl;

	ASSERT_EQ(0, begin(genl, 100));
	EXPECT_EQ(-EOVERFLOW, data(genl, &self->table, 101));
	EXPECT_EQ(0, data(genl, &self->table, 100));
	EXPECT_EQ(-EOVERFLOW, data(genl, &self->table, 1));
	EXPECT_STRNE("", genl->why);
}

TEST_F(upload, less_than_announced_rejected_until_it_is_all)
{
	struct genl *genl = &self->genl;
	const uint8_t *bytes = (const void *)&self->table;
	size_t size = sizeof(self->table);

	/* Nothing of it becomes active: the magic is wrong. */
	self->table.header.magic[0] ^= 1;
	ASSERT_EQ(0, begin(genl, size));
	EXPECT_EQ(-ENODATA, commit(genl));
	ASSERT_EQ(0, data(genl, bytes, size - 1));
	EXPECT_EQ(-ENODATA, commit(genl));
	EXPECT_STRNE("", genl->why);
	ASSERT_EQ(0, data(genl, bytes + size - 1, 1));
	EXPECT_EQ(-EBADMSG, commit(genl));
	EXPECT_TRUE(policy_unchanged(self->control, &self->before));
}

TEST_F(upload, begin_again_starts_over)
{
	struct genl *genl = &self->genl;

	ASSERT_EQ(0, begin(genl, 100));
	ASSERT_EQ(0, data(genl, &self->table, 100));
	ASSERT_EQ(0, begin(genl, 50));
	EXPECT_EQ(-ENODATA, commit(genl));
	EXPECT_EQ(-EOVERFLOW, data(genl, &self->table, 51));
}

TEST_F(upload, other_socket_cannot_add)
{
	ASSERT_EQ(0, begin(&self->genl, sizeof(self->table)));
	EXPECT_EQ(-ENOENT, data(&self->other, "x", 1));
	EXPECT_EQ(-ENOENT, commit(&self->other));
	EXPECT_EQ(0, data(&self->genl, &self->table, sizeof(self->table)));
	EXPECT_EQ(-ENOENT, commit(&self->other));
	EXPECT_TRUE(policy_unchanged(self->control, &self->before));
}

TEST_F(upload, begin_of_another_socket_takes_over)
{
	ASSERT_EQ(0, begin(&self->genl, sizeof(self->table)));
	ASSERT_EQ(0, begin(&self->other, sizeof(self->table)));
	EXPECT_EQ(-ENOENT, data(&self->genl, "x", 1));
	EXPECT_EQ(0, data(&self->other, "x", 1));
}

/* A new socket may get the port of the old one, but not its upload. */
TEST_F(upload, end_of_the_socket_drops_it)
{
	uint32_t port = nl_socket_get_local_port(self->genl.sock);
	struct genl next = { .family = self->genl.family };

	ASSERT_EQ(0, begin(&self->genl, sizeof(self->table)));
	genl_close(&self->genl);
	next.sock = nl_socket_alloc();
	nl_socket_set_local_port(next.sock, port);
	ASSERT_EQ(0, genl_connect(next.sock));
	next.fd = nl_socket_get_fd(next.sock);
	EXPECT_EQ(port, nl_socket_get_local_port(next.sock));
	EXPECT_EQ(-ENOENT, data(&next, "x", 1));
	self->genl = next;
}

TEST_F(upload, commit_ends_it_even_if_refused)
{
	struct genl *genl = &self->genl;

	self->table.header.epoch = 0;
	EXPECT_EQ(-EBADMSG, load(genl, &self->table, sizeof(self->table)));
	EXPECT_EQ(-ENOENT, commit(genl));
	EXPECT_EQ(-ENOENT, data(genl, "x", 1));
}

/*
 * The table
 */

#define HEADER(field)	 offsetof(struct table, header.field)
#define SECTION(i, field) offsetof(struct table, sections[i].field)
#define RULE(i, field)	 offsetof(struct table, rules[i].field)
#define KEY(i, field)	 offsetof(struct table, keys[i].field)

#define NAME_TOO_LONG \
	"nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn"

/* One change to a good table, and what the kernel says about it. */
struct change {
	const char *what;
	size_t at, len;
	const char *bytes;
	const char *why;
};

static const struct change changes[] = {
	{ "other magic", HEADER(magic), 1, "d", "not a policy table" },
	{ "former version", HEADER(magic[7]), 1, "2", "of another version" },
	{ "next version", HEADER(magic[7]), 1, "4", "of another version" },
	{ "smaller size", HEADER(size), 1, "\x01", "size differs" },
	{ "huge size", HEADER(size) + 3, 1, "\xff", "size differs" },
	{ "fewer sections", HEADER(sections), 1, "\x01", "size differs" },
	{ "too many sections", HEADER(sections), 2, "\x01\x10",
	  "too many sections" },
	{ "most sections", HEADER(sections), 4, "\xff\xff\xff\xff",
	  "too many sections" },
	{ "fewer rules", HEADER(rules), 1, "\x02", "size differs" },
	{ "most rules", HEADER(rules), 4, "\xff\xff\xff\xff",
	  "size differs" },
	{ "fewer key terms", HEADER(keys), 1, "\x02", "size differs" },
	{ "most key terms", HEADER(keys), 4, "\xff\xff\xff\xff",
	  "size differs" },
	{ "reserved", HEADER(__reserved), 1, "\x01",
	  "reserved bytes of the h" },
	{ "reserved, end", HEADER(__reserved[11]), 1, "\x01",
	  "reserved bytes of the h" },
	{ "epoch 0", HEADER(epoch), 8, "\x00\x00\x00\x00\x00\x00\x00\x00",
	  "epoch is 0" },
	{ "empty name", SECTION(0, name), 1, "\x00", "name is malformed" },
	{ "space in name", SECTION(0, name), 1, " ", "name is malformed" },
	{ "colon in name", SECTION(1, name[3]), 1, ":",
	  "name is malformed" },
	{ "name not padded", SECTION(0, name[63]), 1, "x",
	  "not padded with zeros" },
	{ "name without end", SECTION(0, name), 64, NAME_TOO_LONG,
	  "name is malformed" },
	{ "sections not sorted", SECTION(0, name[9]), 1, "x",
	  "sections are not sorted" },
	{ "section twice", SECTION(0, name[9]), 3, "two",
	  "sections are not sorted" },
	{ "flags of a section", SECTION(0, flags), 1, "\x04", "unknown flags" },
	{ "reserved of a section", SECTION(1, __reserved[2]), 1, "\x01",
	  "reserved bytes of a section" },
	{ "action of a section", SECTION(1, revoked), 1, "\x03",
	  "action is unknown" },
	{ "untrusted storage accepted", SECTION(0, accept[0]), 1, "\x10",
	  "accepts storage that no policy can" },
	{ "storage trusted, not accepted", SECTION(0, trust[3]), 1, "\x08",
	  "trusts what it does not accept" },
	{ "gap before a section", SECTION(0, first), 1, "\x01",
	  "out of bounds" },
	{ "sections overlap", SECTION(1, first), 1, "\x01", "out of bounds" },
	{ "section past the end", SECTION(1, count), 1, "\x02",
	  "out of bounds" },
	{ "section far past it", SECTION(1, count), 4, "\xff\xff\xff\xff",
	  "out of bounds" },
	{ "rule of no section", SECTION(1, count), 1, "\x00",
	  "rules outside every section" },
	{ "unknown algorithm", RULE(0, alg), 1, "\x03",
	  "algorithm is unknown" },
	{ "no algorithm", RULE(2, alg), 1, "\x00", "algorithm is unknown" },
	{ "no kinds", RULE(0, kinds), 1, "\x00", "kinds are empty or unknown" },
	{ "unknown kind", RULE(1, kinds), 1, "\x20", "empty or unknown" },
	{ "reserved of a rule", RULE(2, __reserved[5]), 1, "\x01",
	  "reserved bytes of a rule" },
	{ "rules not sorted", RULE(0, digest), 1, "\x09",
	  "rules are not sorted" },
	{ "rule twice", RULE(1, digest), 1, "\x00", "rules are not sorted" },
	{ "gap before key terms", SECTION(0, first_key), 1, "\x01",
	  "key terms are out of bounds" },
	{ "key terms overlap", SECTION(1, first_key), 1, "\x01",
	  "key terms are out of bounds" },
	{ "key terms past the end", SECTION(1, count_keys), 1, "\x02",
	  "key terms are out of bounds" },
	{ "too many key terms", SECTION(0, count_keys), 1, "\x41",
	  "too many key terms" },
	{ "far too many", SECTION(0, count_keys), 4, "\xff\xff\xff\xff",
	  "too many key terms" },
	{ "key term of no section", SECTION(1, count_keys), 1, "\x00",
	  "key terms outside every section" },
	{ "prefix too long", KEY(0, path_len), 1, "\x71",
	  "prefix is too long" },
	{ "prefix cut", KEY(1, path_len), 1, "\x00", "not padded with zeros" },
	{ "prefix not padded", KEY(2, path[111]), 1, "x",
	  "not padded with zeros" },
	{ "no kinds of keys", KEY(0, kinds), 1, "\x00",
	  "term's kinds are empty or unknown" },
	{ "unknown kind of keys", KEY(0, kinds), 1, "\x44",
	  "term's kinds are empty or unknown" },
	{ "no scope", KEY(1, scopes), 1, "\x00",
	  "scopes are empty or unknown" },
	{ "unknown scope", KEY(1, scopes), 1, "\x05",
	  "scopes are empty or unknown" },
	{ "no delivery", KEY(2, delivery), 1, "\x00",
	  "delivery is empty or unknown" },
	{ "unknown delivery", KEY(2, delivery), 1, "\x21",
	  "delivery is empty or unknown" },
	{ "reserved of a key term", KEY(2, __reserved[3]), 1, "\x01",
	  "reserved bytes of a key term" },
	{ "key terms not sorted", KEY(0, path), 1, "c",
	  "key terms are not sorted" },
	{ "prefix twice", KEY(1, path), 1, "a", "key terms are not sorted" },
};

TEST_F(upload, malformed_tables_rejected_with_the_reason)
{
	struct genl *genl = &self->genl;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(changes); i++) {
		const struct change *change = &changes[i];
		struct table table = self->table;

		memcpy((uint8_t *)&table + change->at, change->bytes,
		       change->len);
		EXPECT_EQ(-EBADMSG, load(genl, &table, sizeof(table)))
			TH_LOG("%s", change->what);
		EXPECT_NE(NULL, strstr(genl->why, change->why))
			TH_LOG("%s: '%s'", change->what, genl->why);
	}
	EXPECT_TRUE(policy_unchanged(self->control, &self->before));
}

TEST_F(upload, tables_of_wrong_size_rejected)
{
	uint8_t longer[sizeof(self->table) + 8] = { 0 };
	struct genl *genl = &self->genl;
	size_t size;

	memcpy(longer, &self->table, sizeof(self->table));
	for (size = 1; size <= sizeof(longer); size++) {
		if (size == sizeof(self->table))
			continue;
		EXPECT_EQ(-EBADMSG, load(genl, longer, size))
			TH_LOG("%zu bytes", size);
	}
	EXPECT_TRUE(policy_unchanged(self->control, &self->before));
}

/*
 * Epochs
 */

static void hex(const uint8_t *bytes, size_t len, char *out)
{
	while (len--)
		out += sprintf(out, "%02x", *bytes++);
}

static int take_first(const struct dstack_log_record *record, void *copy)
{
	memcpy(copy, record, record->size);
	return 1;
}

/* Is the next event that of this policy? */
static bool event_tells(struct libdstack_control *control, uint64_t seq)
{
	static uint64_t buf[1024];
	const struct dstack_log_record *record = (void *)buf;
	char table[65], document[65], app[41], want[512];
	struct libdstack_status status;
	int err, fd = device_open();

	err = libdstack_status(control, &status);
	hex(status.policy_table, DSTACK_DIGEST_SIZE, table);
	hex(status.policy_document, DSTACK_DIGEST_SIZE, document);
	hex(status.policy_app_id, DSTACK_APP_ID_SIZE, app);
	snprintf(want, sizeof(want),
		 "dstack.policyv=1 epoch=%ju app=%s table=sha256:%s document=sha256:%s rules=%d",
		 (uintmax_t)status.policy_epoch, app, table, document, RULES);
	if (!err && libdstack_read_log(fd, &seq, take_first, buf) != 1)
		err = -ENODATA;
	close(fd);
	return !err && record->name_len == strlen("dstack.policy") &&
	       record->name_len + record->payload_len == strlen(want) &&
	       !memcmp(record->data, want, strlen(want));
}

TEST_F(upload, good_table_becomes_the_policy)
{
	struct piece piece = { &self->table, sizeof(self->table) };
	uint8_t digest[DSTACK_DIGEST_SIZE];
	struct libdstack_status now;
	int pause = daemon_pause();

	ASSERT_LE(0, pause);
	memset(self->table.header.app_id, 0xa1, DSTACK_APP_ID_SIZE);
	ASSERT_EQ(0, load(&self->genl, &self->table, sizeof(self->table)))
		TH_LOG("%s", self->genl.why);
	ASSERT_EQ(0, libdstack_status(self->control, &now));
	EXPECT_EQ(0, memcmp(self->table.header.app_id, now.policy_app_id,
			    DSTACK_APP_ID_SIZE));
	hash("SHA256", &piece, 1, digest);
	EXPECT_EQ(self->before.policy_epoch + 1, now.policy_epoch);
	EXPECT_EQ(0, memcmp(digest, now.policy_table, sizeof(digest)));
	EXPECT_EQ(0xd0, now.policy_document[0]);
	EXPECT_EQ(self->before.log_count + 1, now.log_count);
	EXPECT_TRUE(event_tells(self->control, self->before.log_count));
	close(pause);
}

TEST_F(upload, epoch_that_does_not_rise_rejected)
{
	uint64_t epoch = self->before.policy_epoch + 2;
	struct genl *genl = &self->genl;
	struct libdstack_status now;

	make_table(&self->table, epoch);
	ASSERT_EQ(0, load(genl, &self->table, sizeof(self->table)));
	ASSERT_EQ(0, libdstack_status(self->control, &now));
	EXPECT_EQ(-ESTALE, load(genl, &self->table, sizeof(self->table)));
	EXPECT_STRNE("", genl->why);
	make_table(&self->table, epoch - 1);
	EXPECT_EQ(-ESTALE, load(genl, &self->table, sizeof(self->table)));
	make_table(&self->table, 1);
	EXPECT_EQ(-ESTALE, load(genl, &self->table, sizeof(self->table)));
	EXPECT_TRUE(policy_unchanged(self->control, &now));
	/* What is wrong with the table comes first. */
	self->table.header.__reserved[0] = 1;
	EXPECT_EQ(-EBADMSG, load(genl, &self->table, sizeof(self->table)));
}

/* More than one message of data, and the most sections that there can be. */
TEST_F(upload, large_table_becomes_the_policy)
{
	size_t i, size = sizeof(struct dstack_table_header) +
			 DSTACK_TABLE_SECTIONS *
			 sizeof(struct dstack_table_section);
	struct dstack_table_header *header = calloc(1, size);
	struct dstack_table_section *section = (void *)(header + 1);

	ASSERT_NE(NULL, header);
	*header = self->table.header;
	header->size = htole32(size);
	header->sections = htole32(DSTACK_TABLE_SECTIONS);
	header->rules = 0;
	header->keys = 0;
	for (i = 0; i < DSTACK_TABLE_SECTIONS; i++)
		snprintf(section[i].name, sizeof(section[i].name), "s%06zu", i);
	EXPECT_EQ(0, load(&self->genl, header, size))
		TH_LOG("%s", self->genl.why);
	free(header);
}

TEST_HARNESS_MAIN
