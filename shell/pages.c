#include "shell/pages.h"

#include <stdio.h>
#include <string.h>

#define SHOWN_URL 300u  /* characters of an address on a page */
#define SHOWN_TEXT 300u /* characters of a cause */

static const char head[] =
    "<!DOCTYPE html><html lang=\"en\"><head><meta charset=\"utf-8\"><style>"
    "body{margin:0;background:#f6f7f9;color:#1f2328;font-family:sans-serif;font-size:16px;"
    "line-height:24px}"
    ".card{width:600px;margin:64px auto 32px auto;padding:32px 40px 32px 40px;background:#ffffff;"
    "border:1px solid #d5d9df;border-radius:12px}"
    "h1{font-size:24px;line-height:32px;margin:0 0 12px 0}"
    "p{margin:0 0 12px 0}"
    ".url{font-family:monospace;font-size:14px;color:#0b57d0;word-wrap:break-word}"
    ".cause{color:#5c636e;font-size:14px}"
    ".button{display:inline-block;margin-top:8px;padding:6px 20px 6px 20px;background:#0b57d0;"
    "color:#ffffff;border-radius:16px;text-decoration:none;font-size:15px}"
    "code{font-family:monospace;font-size:14px;background:#eef0f3;padding:1px 5px 1px 5px;"
    "border-radius:4px}"
    "li{margin:0 0 6px 0}"
    "</style>";

static void open_page(kp_shell_html_t *html, const char *title)
{
    kp_shell_html_markup(html, head);
    kp_shell_html_format(html, "<title>%s</title></head><body><div class=\"card\"><h1>%s</h1>",
                         title, title);
}

static void close_page(kp_shell_html_t *html)
{
    kp_shell_html_markup(html, "</div></body></html>");
}

static void paragraph(kp_shell_html_t *html, const char *class, const char *text, size_t size,
                      size_t limit)
{
    kp_shell_html_format(html, "<p class=\"%s\">", class);
    kp_shell_html_text(html, text, size, limit, false);
    kp_shell_html_markup(html, "</p>");
}

void kp_shell_page_start(kp_shell_html_t *html)
{
    open_page(html, "KPIO");
    kp_shell_html_markup(
        html,
        "<p>An operating system whose main application is the web.</p>"
        "<p>Type an address in the field above and press Enter, for example "
        "<code>example.org</code> or <code>http://10.0.2.2:8000/</code>.</p>"
        "<ul>"
        "<li><code>Ctrl+L</code> goes to the address, <code>Esc</code> brings the old one back</li>"
        "<li><code>Alt+Left</code> and <code>Alt+Right</code> go back and forward</li>"
        "<li><code>Ctrl+R</code> loads the page again, <code>Esc</code> stops loading</li>"
        "<li>The wheel, <code>Space</code>, <code>Page Up</code> and <code>Page Down</code> "
        "scroll</li>"
        "</ul>");
    close_page(html);
}

static const char *error_title(kp_status_t status)
{
    switch (status) {
    case KP_ERR_NAME_NOT_RESOLVED:
        return "This host was not found";
    case KP_ERR_CONNECTION_REFUSED:
    case KP_ERR_UNREACHABLE:
    case KP_ERR_TIMED_OUT:
        return "This host cannot be reached";
    case KP_ERR_CONNECTION_RESET:
        return "The connection was cut";
    case KP_ERR_TOO_MANY_REDIRECTS:
        return "This page redirects without end";
    case KP_ERR_UNSUPPORTED_SCHEME:
        return "This kind of address is not supported";
    default:
        return "This page could not be loaded";
    }
}

void kp_shell_page_error(kp_shell_html_t *html, const char *url, kp_status_t status,
                         uint32_t http_status, const char *cause, size_t cause_size)
{
    open_page(html, error_title(status));
    paragraph(html, "url", url, strlen(url), SHOWN_URL);
    if (cause_size == 0) {
        cause = kp_status_text(status);
        cause_size = strlen(cause);
    }
    paragraph(html, "cause", cause, cause_size, SHOWN_TEXT);
    if (http_status != 0)
        kp_shell_html_format(html, "<p class=\"cause\">HTTP status %u</p>", (unsigned)http_status);
    kp_shell_html_markup(html, "<a class=\"button\" href=\"kpio:reload\">Reload</a>");
    close_page(html);
}

static const char *trap_name(int32_t trap)
{
    static const char *const names[] = {
        [KP_TRAP_NONE] = "trap",
        [KP_TRAP_UNREACHABLE] = "unreachable code",
        [KP_TRAP_OUT_OF_BOUNDS] = "memory access out of bounds",
        [KP_TRAP_DIVIDE_BY_ZERO] = "division by zero",
        [KP_TRAP_INTEGER_OVERFLOW] = "integer overflow",
        [KP_TRAP_INVALID_CONVERSION] = "invalid conversion",
        [KP_TRAP_CALL_INDIRECT] = "bad indirect call",
        [KP_TRAP_STACK_OVERFLOW] = "stack overflow",
        [KP_TRAP_UNCAUGHT_EXCEPTION] = "uncaught exception",
        [KP_TRAP_ABORT] = "abort",
        [KP_TRAP_LIMIT] = "more computing or memory than it was allowed",
    };
    bool is_known = trap >= 0 && (size_t)trap < sizeof(names) / sizeof(names[0]);
    return is_known ? names[trap] : "unknown trap";
}

void kp_shell_crash_text(char *out, size_t capacity, const kp_process_info_t *info,
                         const char *reason)
{
    if (reason) {
        snprintf(out, capacity, "%s", reason);
        return;
    }
    unsigned long long address = info ? (unsigned long long)info->fault_address : 0;
    switch (info ? info->exit_reason : (uint32_t)KP_EXIT_NONE) {
    case KP_EXIT_NORMAL:
        snprintf(out, capacity, "the process ended by itself (code %d)", (int)info->exit_code);
        break;
    case KP_EXIT_TRAP:
        snprintf(out, capacity, "trap: %s at address 0x%llx", trap_name(info->exit_code), address);
        break;
    case KP_EXIT_FAULT:
        if (info->exit_code == KP_ERR_NO_MEMORY || info->exit_code == KP_ERR_QUOTA) {
            snprintf(out, capacity, "the page needed more memory than there is for it");
            break;
        }
        snprintf(out, capacity, "hardware fault at address 0x%llx", address);
        break;
    case KP_EXIT_KILLED:
        snprintf(out, capacity, "the process was ended from outside");
        break;
    case KP_EXIT_NO_START:
        snprintf(out, capacity, "the process could not be started");
        break;
    default:
        snprintf(out, capacity, "the process closed its channel");
        break;
    }
}

void kp_shell_page_crash(kp_shell_html_t *html, const char *url, const kp_process_info_t *info,
                         const char *reason)
{
    char text[160];
    kp_shell_crash_text(text, sizeof(text), info, reason);
    open_page(html, "This page crashed");
    kp_shell_html_markup(html,
                         "<p>The process that showed the page has ended. Everything else goes "
                         "on.</p>");
    paragraph(html, "url", url, strlen(url), SHOWN_URL);
    paragraph(html, "cause", text, strlen(text), SHOWN_TEXT);
    kp_shell_html_markup(html, "<a class=\"button\" href=\"kpio:reload\">Reload</a>");
    close_page(html);
}
