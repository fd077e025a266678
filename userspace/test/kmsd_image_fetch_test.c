// SPDX-License-Identifier: MIT
/*
 * What holds for OS images that are fetched: whoever answers, only the image
 * itself gets into the directory, once, and soon
 *
 * Copyright The dstack for Linux authors
 */
#include "kmsd_image_fixture.h"

#include <archive.h>
#include <archive_entry.h>
#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sys/socket.h>

#define ARCHIVE_ROOM	(1U << 20)
#define ASKERS		8

static struct {
	int fd;
	pthread_t thread;
	char url[128];
	char head[128];			/* before the archive */
	size_t cut;			/* bytes of the archive that come */
	bool silent, slow;
	int requests;
	char asked[256];
} server;

static uint8_t archived[ARCHIVE_ROOM];
static size_t archived_len;

/*
 * Archives
 */

static struct archive *begin(bool gzip)
{
	struct archive *archive = archive_write_new();

	if (gzip)
		archive_write_add_filter_gzip(archive);
	archive_write_set_format_pax_restricted(archive);
	assert_int_equal(archive_write_open_memory(archive, archived,
						   sizeof(archived),
						   &archived_len), ARCHIVE_OK);
	return archive;
}

static void add(struct archive *archive, const char *name, int type,
		const char *link, const void *data, size_t len)
{
	struct archive_entry *entry = archive_entry_new();

	archive_entry_set_pathname(entry, name);
	archive_entry_set_filetype(entry, type);
	archive_entry_set_perm(entry, 0755);
	archive_entry_set_size(entry, len);
	if (link && type == AE_IFLNK)
		archive_entry_set_symlink(entry, link);
	else if (link)
		archive_entry_set_hardlink(entry, link);
	assert_int_equal(archive_write_header(archive, entry), ARCHIVE_OK);
	if (len)
		assert_int_equal(archive_write_data(archive, data, len), len);
	archive_entry_free(entry);
}

static void end(struct archive *archive)
{
	assert_int_equal(archive_write_close(archive), ARCHIVE_OK);
	archive_write_free(archive);
	server.cut = archived_len;
}

/* As upstream's are, with "./" before the names or without. */
static struct archive *begin_image(const char *before)
{
	struct archive *archive = begin(true);
	char name[128];
	size_t i;

	if (*before)
		add(archive, "./", AE_IFDIR, NULL, NULL, 0);
	for (i = 0; i < FIXTURE_FILES; i++) {
		snprintf(name, sizeof(name), "%s%s", before,
			 fixture_files[i].name);
		add(archive, name, AE_IFREG, NULL, fixture_files[i].data,
		    fixture_files[i].len);
	}
	snprintf(name, sizeof(name), "%ssha256sum.txt", before);
	add(archive, name, AE_IFREG, NULL, fixture_sums, strlen(fixture_sums));
	return archive;
}

/*
 * The server
 */

static void answer(int fd)
{
	char byte;

	if (server.silent) {
		/* Until it is given up. */
		while (recv(fd, &byte, 1, 0) > 0)
			;
		return;
	}
	if (server.slow)
		usleep(300000);
	if (send(fd, server.head, strlen(server.head), MSG_NOSIGNAL) > 0)
		send(fd, archived, server.cut, MSG_NOSIGNAL);
}

static void *serve(void *arg)
{
	char request[4096];
	ssize_t n;
	int fd;

	(void)arg;
	while ((fd = accept(server.fd, NULL, NULL)) >= 0) {
		n = recv(fd, request, sizeof(request) - 1, 0);
		request[n > 0 ? n : 0] = '\0';
		server.requests++;
		snprintf(server.asked, sizeof(server.asked), "%.*s",
			 (int)strcspn(request, "\r"), request);
		answer(fd);
		close(fd);
	}
	return NULL;
}

static int start(void **state)
{
	struct sockaddr_in at = { .sin_family = AF_INET };
	socklen_t len = sizeof(at);

	(void)state;
	at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	server.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(server.fd, (struct sockaddr *)&at, sizeof(at)),
			 0);
	assert_int_equal(listen(server.fd, 64), 0);
	assert_int_equal(getsockname(server.fd, (struct sockaddr *)&at, &len),
			 0);
	snprintf(server.url, sizeof(server.url),
		 "http://127.0.0.1:%d/mr_" IMAGE_URL_HASH ".tar.gz",
		 ntohs(at.sin_port));
	return pthread_create(&server.thread, NULL, serve, NULL);
}

static int stop(void **state)
{
	(void)state;
	shutdown(server.fd, SHUT_RDWR);
	pthread_join(server.thread, NULL);
	return close(server.fd);
}

static int each(void **state)
{
	strcpy(server.head, "HTTP/1.0 200 OK\r\n\r\n");
	server.silent = false;
	server.slow = false;
	server.requests = 0;
	return fixture_setup(state);
}

/*
 * Claims
 */

static void an_image_that_is_not_here_is_fetched_once(void **state)
{
	static const char *const before[] = { "", "./" };
	struct image_store *store;
	char asked[256];
	size_t i;

	for (i = 0; i < 2; i++) {
		fixture_teardown(state);
		assert_int_equal(each(state), 0);
		end(begin_image(before[i]));
		store = fixture_open(server.url);
		assert_int_equal(fixture_ask(store, CONFIG), 0);
		snprintf(asked, sizeof(asked), "GET /mr_%s.tar.gz HTTP/1.1",
			 fixture_name);
		assert_string_equal(server.asked, asked);
		assert_int_equal(fixture_ask(store, CONFIG), 0);
		image_store_close(store);
		store = fixture_open(server.url);
		assert_int_equal(fixture_ask(store, CONFIG), 0);
		image_store_close(store);
		assert_int_equal(server.requests, 1);
		assert_int_equal(fixture_count(), 1);
	}
}

static void *ask(void *arg)
{
	const struct image_guest guest = {
		.hash = fixture_hash, .config = CONFIG,
		.config_len = sizeof(CONFIG) - 1, .td = &fixture_td,
	};
	struct image_why reason;

	return (void *)(intptr_t)image_store_check(arg, &guest, &reason);
}

/* One fetches, two wait for it, and the rest have to come again. */
static void many_who_ask_fetch_it_once_and_few_wait(void **state)
{
	struct image_store *store = fixture_open(server.url);
	pthread_t threads[ASKERS];
	int i, known = 0, later = 0;
	void *result;

	(void)state;
	end(begin_image(""));
	server.slow = true;
	for (i = 0; i < ASKERS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, ask, store),
				 0);
	for (i = 0; i < ASKERS; i++) {
		pthread_join(threads[i], &result);
		known += (intptr_t)result == 0;
		later += (intptr_t)result == -EAGAIN;
	}
	assert_int_equal(server.requests, 1);
	assert_int_equal(known + later, ASKERS);
	assert_true(known >= 1);
	assert_true(later >= 1);
	image_store_close(store);
}

static void what_was_cleared_is_fetched_anew(void **state)
{
	struct image_store *store = fixture_open(server.url);

	(void)state;
	end(begin_image(""));
	assert_int_equal(fixture_ask(store, CONFIG), 0);
	assert_int_equal(image_store_clear(store, fixture_name, "", &why), 0);
	assert_int_equal(fixture_count(), 0);
	assert_int_equal(fixture_ask(store, CONFIG), 0);
	fixture_write(fixture_dir, "notes", "kept", 4);
	assert_int_equal(image_store_clear(store, "all", "", &why), 0);
	assert_int_equal(fixture_count(), 1);
	assert_int_equal(fixture_ask(store, CONFIG), 0);
	assert_int_equal(server.requests, 3);
	image_store_close(store);
}

static void what_was_begun_before_is_done_again(void **state)
{
	struct image_store *store;
	char path[160];

	(void)state;
	snprintf(path, sizeof(path), "%s/.new", fixture_dir);
	assert_int_equal(mkdir(path, 0700), 0);
	fixture_write(path, "bzImage", "half", 4);
	end(begin_image(""));
	store = fixture_open(server.url);
	assert_int_equal(fixture_ask(store, CONFIG), 0);
	assert_int_equal(fixture_count(), 1);
	image_store_close(store);
}

/*
 * Archives that are no image
 */

static void with_a_parent(struct archive *archive)
{
	add(archive, "../secret", AE_IFREG, NULL, "x", 1);
}

static void with_a_root(struct archive *archive)
{
	add(archive, "/tmp/secret", AE_IFREG, NULL, "x", 1);
}

static void with_a_directory(struct archive *archive)
{
	add(archive, "boot", AE_IFDIR, NULL, NULL, 0);
}

static void with_a_file_below(struct archive *archive)
{
	add(archive, "boot/bzImage", AE_IFREG, NULL, "x", 1);
}

static void with_a_link(struct archive *archive)
{
	add(archive, "other", AE_IFLNK, "/etc/passwd", NULL, 0);
}

static void with_a_hard_link(struct archive *archive)
{
	add(archive, "other", AE_IFREG, "bzImage", NULL, 0);
}

static void with_a_pipe(struct archive *archive)
{
	add(archive, "other", AE_IFIFO, NULL, NULL, 0);
}

static void with_a_device(struct archive *archive)
{
	add(archive, "other", AE_IFBLK, NULL, NULL, 0);
}

static void with_a_file_twice(struct archive *archive)
{
	add(archive, "bzImage", AE_IFREG, NULL, "x", 1);
}

static void with_a_hidden_file(struct archive *archive)
{
	add(archive, "./.new", AE_IFREG, NULL, "x", 1);
}

static void with_many_files(struct archive *archive)
{
	char name[32];
	int i;

	for (i = 0; i < IMAGE_FILES_MAX; i++) {
		snprintf(name, sizeof(name), "f%d", i);
		add(archive, name, AE_IFREG, NULL, NULL, 0);
	}
}

static const struct {
	void (*more)(struct archive *archive);
	const char *text;
} hostile[] = {
	{ with_a_parent, "no plain one" },
	{ with_a_root, "no plain one" },
	{ with_a_directory, "more than regular files" },
	{ with_a_file_below, "no plain one" },
	{ with_a_link, "more than regular files" },
	{ with_a_hard_link, "more than regular files" },
	{ with_a_pipe, "more than regular files" },
	{ with_a_device, "more than regular files" },
	{ with_a_file_twice, "there twice" },
	{ with_a_hidden_file, "no plain one" },
	{ with_many_files, "too many files" },
};

static void nothing_came(const char *text, int err)
{
	struct image_store *store = fixture_open(server.url);

	fixture_refused(store, CONFIG, err, text);
	assert_int_equal(fixture_count(), 0);
	image_store_close(store);
}

static void hostile_archives_leave_nothing(void **state)
{
	struct archive *archive;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(hostile) / sizeof(hostile[0]); i++) {
		archive = begin_image("");
		hostile[i].more(archive);
		end(archive);
		nothing_came(hostile[i].text, -EBADMSG);
	}
}

static void archives_of_something_else_leave_nothing(void **state)
{
	struct archive *archive = begin(true);

	(void)state;
	add(archive, "bzImage", AE_IFREG, NULL, "x", 1);
	end(archive);
	nothing_came("sha256sum.txt can't be read", -EBADMSG);
	/* The image, and one byte of it another. */
	fixture_bzimage[KERNEL_SIZE - 1] ^= 1;
	end(begin_image(""));
	fixture_bzimage[KERNEL_SIZE - 1] ^= 1;
	nothing_came("'bzImage' has another sum", -EBADMSG);
	/* Another image as a whole. */
	fixture_add_sum("more", "x", 1);
	end(begin_image(""));
	nothing_came("sha256sum.txt has another hash", -EBADMSG);
}

static void broken_archives_leave_nothing(void **state)
{
	size_t cut;

	(void)state;
	end(begin_image(""));
	for (cut = 0; cut < archived_len; cut += archived_len / 16) {
		server.cut = cut;
		nothing_came("", -EBADMSG);
	}
	memset(archived, 'x', 4096);
	server.cut = 4096;
	nothing_came("is no archive of it", -EBADMSG);
}

static void servers_that_do_not_have_it_are_not_followed(void **state)
{
	static const struct {
		const char *head;
		int err;
		const char *text;
	} heads[] = {
		{ "HTTP/1.0 404 No\r\n\r\n", -ENOENT, "neither here nor" },
		{ "HTTP/1.0 500 No\r\n\r\n", -EHOSTUNREACH, "HTTP status 500" },
		{ "HTTP/1.0 302 No\r\nLocation: http://127.0.0.1:1/\r\n\r\n",
		  -EHOSTUNREACH, "HTTP status 302" },
		{ "HTTP/1.0 206 Part\r\n\r\n", -EHOSTUNREACH, "status 206" },
		{ "HTTP/1.0 200 OK\r\nContent-Length: 10000000\r\n\r\n",
		  -EHOSTUNREACH, "can't be fetched" },
		{ "SSH-2.0-x\r\n", -EHOSTUNREACH, "can't be fetched" },
	};
	size_t i;

	(void)state;
	end(begin_image(""));
	for (i = 0; i < sizeof(heads) / sizeof(heads[0]); i++) {
		strcpy(server.head, heads[i].head);
		nothing_came(heads[i].text, heads[i].err);
	}
}

static void a_server_that_says_nothing_is_given_up(void **state)
{
	time_t before = time(NULL);

	(void)state;
	server.silent = true;
	nothing_came("can't be fetched: Timeout", -EHOSTUNREACH);
	assert_true(time(NULL) - before < 10);
}

static void what_is_no_place_for_images_ends_the_start(void **state)
{
	static const char *const urls[] = {
		"http://127.0.0.1/image", "file:///" IMAGE_URL_HASH,
		"ftp://127.0.0.1/" IMAGE_URL_HASH, IMAGE_URL_HASH,
		"http://127.0.0.1/" IMAGE_URL_HASH "/" IMAGE_URL_HASH,
	};
	struct image_options options = {
		.dir = fixture_dir, .seconds = 1, .tell = fixture_tell,
	};
	struct image_store *store;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(urls) / sizeof(urls[0]); i++) {
		options.url = urls[i];
		assert_int_equal(image_store_open(&options, &store), -EINVAL);
	}
	options.url = NULL;
	options.dir = "/nonexistent";
	assert_int_equal(image_store_open(&options, &store), -ENOENT);
}

#define claim(name) \
	cmocka_unit_test_setup_teardown(name, each, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		claim(an_image_that_is_not_here_is_fetched_once),
		claim(many_who_ask_fetch_it_once_and_few_wait),
		claim(what_was_cleared_is_fetched_anew),
		claim(what_was_begun_before_is_done_again),
		claim(hostile_archives_leave_nothing),
		claim(archives_of_something_else_leave_nothing),
		claim(broken_archives_leave_nothing),
		claim(servers_that_do_not_have_it_are_not_followed),
		claim(a_server_that_says_nothing_is_given_up),
		claim(what_is_no_place_for_images_ends_the_start),
	};

	return cmocka_run_group_tests_name("kmsd_image_fetch", tests, start,
					   stop);
}
