// SPDX-License-Identifier: BSD-2-Clause
#include "cmd/commands.h"

#include <errno.h>
#include <locale.h>
#include <ncurses.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "base/util.h"
#include "cmd/client.h"
#include "cmd/common.h"
#include "output/format.h"
#include "output/json.h"
#include "output/top.h"

#define WIDTH 120 /* of text that is no terminal's */
#define HEIGHT 24
#define HEIGHT_MAX 100000
#define FILTER_LEN 64
#define ESCAPE 27

enum pair { PAIR_ALARM = 1 };

struct screens {
	const struct options *options;
	struct client *client;
	struct top *top;
	struct top_view view;
	size_t rows; /* that can be selected */
	char filter[FILTER_LEN];
	bool is_typing; /* the filter */
};

/* The exit status. */
static int refuse(int error)
{
	if (error)
		log_error("cannot show it: %s", strerror(-error));
	return error ? EXIT_RUNTIME : 0;
}

/* --- as text ------------------------------------------------------------------------------- */

static void measure_text(struct screens *screens)
{
	struct winsize size;
	bool is_terminal = !ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) && size.ws_col;

	screens->view.width = MAX(is_terminal ? size.ws_col : WIDTH, TOP_WIDTH_MIN);
	screens->view.height = is_terminal && size.ws_row ? size.ws_row : HEIGHT;
	screens->view.height = MAX(screens->view.height, (size_t)TOP_HEIGHT_MIN);
	if (screens->options->once)
		screens->view.height = HEIGHT_MAX;
}

/* The line of keys is for a screen; rows that are empty are, too. */
static int print_screen(struct screens *screens)
{
	const struct top_line *lines;
	size_t count, empty = 0;
	int r = top_draw(screens->top, &screens->view, &lines, &count, &screens->rows);

	for (size_t i = 0; !r && i < count; i++) {
		if (lines[i].style == TOP_HELP)
			continue;
		if (!*lines[i].text) {
			empty++;
			continue;
		}
		if (empty)
			putchar('\n');
		empty = 0;
		puts(lines[i].text);
	}
	return r ?: file_result(stdout);
}

static int print_one(struct screens *screens)
{
	json_t *document = NULL;
	int r, status = client_ask(screens->client, CONTROL_STATUS, &document);

	if (status) {
		log_error("%s", client_why(screens->client));
		return status;
	}
	if (screens->options->json)
		r = json_write_line(stdout, document);
	else
		r = top_take(screens->top, document) ?: print_screen(screens);
	json_decref(document);
	return refuse(r);
}

static int print_all(struct screens *screens)
{
	const uint64_t ns = screens->options->interval_ns;
	const struct timespec interval = {.tv_sec = (time_t)(ns / NSEC_PER_SEC),
					  .tv_nsec = (long)(ns % NSEC_PER_SEC)};
	int status;

	measure_text(screens);
	while (!(status = print_one(screens)) && !screens->options->once) {
		nanosleep(&interval, NULL);
		if (!screens->options->json)
			putchar('\n');
	}
	return status;
}

/* --- on a terminal ------------------------------------------------------------------------- */

static attr_t attributes(enum top_style style)
{
	switch (style) {
	case TOP_HEAD:
		return A_BOLD;
	case TOP_SELECTED:
		return A_REVERSE;
	case TOP_ALARM:
		return A_BOLD | (has_colors() ? (attr_t)COLOR_PAIR(PAIR_ALARM) : 0);
	case TOP_HELP:
		return A_DIM;
	case TOP_PLAIN:
		break;
	}
	return A_NORMAL;
}

static int draw(struct screens *screens)
{
	const struct top_line *lines;
	int width, height, r;
	size_t count;

	getmaxyx(stdscr, height, width);
	screens->view.width = (size_t)MAX(width, TOP_WIDTH_MIN);
	screens->view.height = (size_t)MAX(height, TOP_HEIGHT_MIN);
	r = top_draw(screens->top, &screens->view, &lines, &count, &screens->rows);
	if (r)
		return r;
	if (screens->view.selected >= screens->rows)
		screens->view.selected = screens->rows ? screens->rows - 1 : 0;
	erase();
	for (size_t i = 0; i < count; i++) {
		attrset(attributes(lines[i].style));
		mvaddnstr((int)i, 0, lines[i].text, -1);
	}
	if (screens->is_typing) {
		attrset(A_NORMAL);
		mvprintw(height - 1, 0, "show cgroups with: %s_", screens->filter);
		clrtoeol();
	}
	refresh();
	return 0;
}

static void type(struct screens *screens, int key)
{
	size_t length = strlen(screens->filter);

	if (key == '\n' || key == KEY_ENTER || key == ESCAPE) {
		if (key == ESCAPE)
			screens->filter[0] = '\0';
		screens->is_typing = false;
	} else if ((key == KEY_BACKSPACE || key == '\b' || key == 127) && length) {
		screens->filter[length - 1] = '\0';
	} else if (key >= ' ' && key < 127 && length + 1 < FILTER_LEN) {
		screens->filter[length] = (char)key;
		screens->filter[length + 1] = '\0';
	}
}

/* False: to the end. */
static bool obey(struct screens *screens, int key)
{
	struct top_view *view = &screens->view;

	if (screens->is_typing) {
		type(screens, key);
		return true;
	}
	switch (key) {
	case 'q':
		return false;
	case 's':
		view->sort = (view->sort + 1) % TOP_SORTS;
		break;
	case '/':
		screens->is_typing = true;
		break;
	case KEY_UP:
	case 'k':
		view->selected -= view->selected > 0;
		break;
	case KEY_DOWN:
	case 'j':
		view->selected += view->selected + 1 < screens->rows;
		break;
	case '\n':
	case KEY_ENTER:
		view->details = !view->details;
		break;
	default:
		break;
	}
	return true;
}

/* The terminal is gone: no key will come, and nothing waits for one. */
static bool is_hung_up(void)
{
	struct pollfd in = {.fd = STDIN_FILENO, .events = POLLIN};

	return poll(&in, 1, 0) > 0 && in.revents & (POLLHUP | POLLERR | POLLNVAL);
}

/* Each turn is a status; keys in between are obeyed at once. */
static int turn(struct screens *screens, bool *ret_goes_on)
{
	json_t *document = NULL;
	int key, r, status = client_ask(screens->client, CONTROL_STATUS, &document);

	if (status)
		return status;
	r = top_take(screens->top, document);
	json_decref(document);
	timeout((int)(screens->options->interval_ns / NSEC_PER_MSEC));
	do {
		r = r ?: draw(screens);
		key = r ? ERR : getch();
		if (key == ERR && is_hung_up())
			*ret_goes_on = false;
		else
			*ret_goes_on = key == ERR || obey(screens, key);
	} while (key != ERR && *ret_goes_on);
	return r ? EXIT_RUNTIME : 0; /* no memory: what client_why() says, too */
}

static int show_all(struct screens *screens)
{
	SCREEN *screen = newterm(NULL, stdout, stdin);
	bool goes_on = true;
	int status = 0;

	if (!screen) {
		log_error("TERM '%s': this terminal is not known here: give --once or --batch",
			  getenv("TERM") ?: "");
		return EXIT_USAGE;
	}
	noecho();
	cbreak();
	keypad(stdscr, TRUE);
	set_escdelay(25);
	curs_set(0);
	if (has_colors() && common_terminal().colour) {
		start_color();
		use_default_colors();
		init_pair(PAIR_ALARM, COLOR_YELLOW, -1);
	}
	while (!status && goes_on)
		status = turn(screens, &goes_on);
	endwin();
	delscreen(screen);
	if (status)
		log_error("%s", client_why(screens->client));
	return status;
}

/* --- the command --------------------------------------------------------------------------- */

static int run(struct screens *screens)
{
	const struct options *options = screens->options;
	int status;

	if (!options->once && !options->batch && !options->json &&
	    (!isatty(STDOUT_FILENO) || !isatty(STDIN_FILENO))) {
		log_error("there is no terminal to show it on: give --once or --batch");
		return EXIT_USAGE;
	}
	screens->top = top_new();
	if (!screens->top)
		return refuse(-ENOMEM);
	status = client_open(&screens->client);
	if (!status)
		status = options->once || options->batch || options->json ? print_all(screens)
									  : show_all(screens);
	client_close(screens->client);
	top_free(screens->top);
	return status;
}

int cmd_top(int argc, char **argv)
{
	struct options options;
	struct screens screens = {.options = &options};
	int status = common_options(COMMAND_TOP, argc, argv, &options);

	if (status >= 0)
		return status;
	setlocale(LC_CTYPE, "");
	screens.view.unicode = common_terminal().unicode;
	screens.view.filter = screens.filter;
	return run(&screens);
}
