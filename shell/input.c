#include "shell/input.h"

#include <string.h>

#include "abi/tab.h"
#include "shell/url_fixup.h"

#define WHEEL_STEP 100 /* CSS px a notch: about three lines */
#define LINE_STEP 40   /* arrow keys */
#define NOTCHES_MAX 1000
#define OVERLAP 40 /* CSS px of the old screenful that Page Down leaves in sight */

/* ---- the address field ---- */

void kp_shell_input_focus_address(kp_shell_input_t *input)
{
    kp_shell_toolbar_focus(&input->toolbar->model);
    kp_shell_toolbar_view_update(input->toolbar);
}

static void blur(kp_shell_input_t *input)
{
    if (!input->toolbar->model.is_focused)
        return;
    kp_shell_toolbar_blur(&input->toolbar->model);
    kp_shell_toolbar_view_update(input->toolbar);
}

static void restore_address(kp_shell_input_t *input)
{
    kp_shell_toolbar_set_address(&input->toolbar->model, kp_shell_page_address(input->page), true);
    blur(input);
}

void kp_shell_input_enter_address(kp_shell_input_t *input)
{
    const kp_shell_line_edit_t *edit = &input->toolbar->model.edit;
    char url[KP_SHELL_URL_MAX];
    if (kp_shell_url_fix(edit->text, edit->size, url) != KP_OK)
        return; /* nothing to go to: keep typing */
    input->toolbar->model.is_edited = false;
    blur(input);
    size_t size;
    const char *command = kp_shell_command_of((kp_shell_span_t){url, strlen(url)}, &size);
    if (command) {
        restore_address(input);
        kp_shell_page_command(input->page, command, size);
    } else {
        kp_shell_page_open(input->page, url);
    }
}

/* A key while the field has the focus; true when it was for the field. */
static bool field_key(kp_shell_input_t *input, const kp_shell_key_t *key)
{
    kp_shell_toolbar_t *model = &input->toolbar->model;
    kp_shell_line_edit_t *edit = &model->edit;
    bool is_control = key->modifiers & KP_TAB_MODIFIER_CONTROL;
    bool is_selecting = key->modifiers & KP_TAB_MODIFIER_SHIFT;
    switch (key->code) {
    case KEY_ENTER:
        kp_shell_input_enter_address(input);
        return true;
    case KEY_ESC:
        restore_address(input);
        return true;
    case KEY_TAB:
        blur(input);
        return true;
    case KEY_BACKSPACE:
        model->is_edited |= kp_shell_line_edit_delete(edit, false, is_control);
        break;
    case KEY_DELETE:
        model->is_edited |= kp_shell_line_edit_delete(edit, true, is_control);
        break;
    case KEY_LEFT:
        kp_shell_line_edit_move(edit, is_control ? KP_SHELL_MOVE_WORD_LEFT : KP_SHELL_MOVE_LEFT,
                                is_selecting);
        break;
    case KEY_RIGHT:
        kp_shell_line_edit_move(edit, is_control ? KP_SHELL_MOVE_WORD_RIGHT : KP_SHELL_MOVE_RIGHT,
                                is_selecting);
        break;
    case KEY_HOME:
    case KEY_UP:
        kp_shell_line_edit_move(edit, KP_SHELL_MOVE_HOME, is_selecting);
        break;
    case KEY_END:
    case KEY_DOWN:
        kp_shell_line_edit_move(edit, KP_SHELL_MOVE_END, is_selecting);
        break;
    case KEY_A:
        if (is_control) {
            kp_shell_line_edit_select_all(edit);
            break;
        }
        /* fall through */
    default:
        if (key->codepoint == 0)
            return false;
        model->is_edited |= kp_shell_line_edit_insert(edit, key->codepoint);
        break;
    }
    kp_shell_toolbar_view_update(input->toolbar);
    return true;
}

/* ---- keys of the browser ---- */

static bool browser_key(kp_shell_input_t *input, const kp_shell_key_t *key)
{
    bool is_control = key->modifiers == KP_TAB_MODIFIER_CONTROL;
    bool is_alt = key->modifiers == KP_TAB_MODIFIER_ALT;
    switch (key->code) {
    case KEY_L:
        if (!is_control)
            return false;
        kp_shell_input_focus_address(input);
        return true;
    case KEY_D:
        if (!is_alt)
            return false;
        kp_shell_input_focus_address(input);
        return true;
    case KEY_F6:
        kp_shell_input_focus_address(input);
        return true;
    case KEY_R:
        if (!is_control)
            return false;
        kp_shell_page_reload(input->page);
        return true;
    case KEY_F5:
    case KEY_REFRESH:
        kp_shell_page_reload(input->page);
        return true;
    case KEY_LEFT:
        if (!is_alt)
            return false;
        kp_shell_page_back(input->page);
        return true;
    case KEY_RIGHT:
        if (!is_alt)
            return false;
        kp_shell_page_forward(input->page);
        return true;
    case KEY_BACK:
        kp_shell_page_back(input->page);
        return true;
    case KEY_FORWARD:
        kp_shell_page_forward(input->page);
        return true;
    case KEY_STOP:
        kp_shell_page_stop(input->page);
        return true;
    default:
        return false;
    }
}

/* Keys that scroll the page or stop its load. */
static bool page_key(kp_shell_input_t *input, const kp_shell_key_t *key)
{
    kp_shell_page_t *page = input->page;
    int64_t screenful = kp_shell_view_viewport_height(&page->view) - OVERLAP;
    if (screenful < LINE_STEP)
        screenful = LINE_STEP;
    if (key->modifiers & (KP_TAB_MODIFIER_CONTROL | KP_TAB_MODIFIER_ALT))
        return false;
    switch (key->code) {
    case KEY_ESC:
        kp_shell_page_stop(page);
        return true;
    case KEY_PAGEUP:
        kp_shell_page_scroll_by(page, 0, -screenful);
        return true;
    case KEY_PAGEDOWN:
        kp_shell_page_scroll_by(page, 0, screenful);
        return true;
    case KEY_SPACE:
        kp_shell_page_scroll_by(page, 0,
                                key->modifiers & KP_TAB_MODIFIER_SHIFT ? -screenful : screenful);
        return true;
    case KEY_UP:
        kp_shell_page_scroll_by(page, 0, -LINE_STEP);
        return true;
    case KEY_DOWN:
        kp_shell_page_scroll_by(page, 0, LINE_STEP);
        return true;
    case KEY_LEFT:
        kp_shell_page_scroll_by(page, -LINE_STEP, 0);
        return true;
    case KEY_RIGHT:
        kp_shell_page_scroll_by(page, LINE_STEP, 0);
        return true;
    case KEY_HOME:
        kp_shell_page_scroll_to(page, page->view.scroll_x, 0);
        return true;
    case KEY_END:
        kp_shell_page_scroll_to(page, page->view.scroll_x, INT32_MAX);
        return true;
    default:
        return false;
    }
}

static void send_key(kp_shell_input_t *input, const kp_shell_key_t *key)
{
    if (key->code < KEY_LIMIT) {
        uint8_t *byte = &input->sent_keys[key->code / 8];
        uint8_t bit = (uint8_t)(1u << key->code % 8);
        if (!key->is_down && !(*byte & bit))
            return; /* its press was the shell's */
        *byte = key->is_down ? *byte | bit : *byte & (uint8_t)~bit;
    }
    kp_shell_view_key(&input->page->view, key->code, key->codepoint, key->is_down, key->modifiers);
}

static void key_event(kp_shell_input_t *input, uint32_t code, int32_t value)
{
    kp_shell_key_t key = kp_shell_keymap_feed(&input->keymap, code, value);
    if (key.is_down && !key.is_modifier) {
        if (browser_key(input, &key))
            return;
        if (input->toolbar->model.is_focused) {
            (void)field_key(input, &key);
            return; /* the page hears nothing of what is typed there */
        }
        if (page_key(input, &key))
            return;
    }
    send_key(input, &key);
}

/* ---- pointer ---- */

static const kp_shell_view_t *view_of(const kp_shell_input_t *input, kp_shell_place_t place)
{
    return place == KP_SHELL_PLACE_PAGE ? &input->page->view : &input->toolbar->view;
}

/* The pointer in CSS px of a view. */
static int32_t local_x(const kp_shell_input_t *input, const kp_shell_view_t *view)
{
    return kp_shell_to_css(input->x - view->x, view->scale);
}

static int32_t local_y(const kp_shell_input_t *input, const kp_shell_view_t *view)
{
    return kp_shell_to_css(input->y - view->y, view->scale);
}

static bool is_inside(const kp_shell_input_t *input, const kp_shell_view_t *view)
{
    return input->x >= view->x && input->x < view->x + view->width && input->y >= view->y &&
           input->y < view->y + view->height;
}

static kp_shell_place_t place_of(const kp_shell_input_t *input)
{
    const kp_shell_view_t *bar = &input->toolbar->view, *page = &input->page->view;
    if (is_inside(input, bar))
        return kp_shell_toolbar_is_field(&input->toolbar->model, local_x(input, bar),
                                         local_y(input, bar))
                   ? KP_SHELL_PLACE_FIELD
                   : KP_SHELL_PLACE_TOOLBAR;
    if (!is_inside(input, page))
        return KP_SHELL_PLACE_NONE;
    return page->bar.is_shown && local_x(input, page) >= kp_shell_view_viewport_width(page)
               ? KP_SHELL_PLACE_SCROLL_BAR
               : KP_SHELL_PLACE_PAGE;
}

static void tell(kp_shell_input_t *input, kp_shell_place_t place, uint32_t kind, uint32_t button)
{
    if (place != KP_SHELL_PLACE_PAGE && place != KP_SHELL_PLACE_TOOLBAR)
        return;
    kp_shell_view_t *view = (kp_shell_view_t *)view_of(input, place);
    kp_shell_view_pointer(view, kind, button, local_x(input, view), local_y(input, view),
                          kp_shell_keymap_feed(&input->keymap, 0, 0).modifiers);
}

/* The button under the pointer looks different. */
static void hover_buttons(kp_shell_input_t *input, kp_shell_place_t place)
{
    const kp_shell_view_t *view = &input->toolbar->view;
    uint32_t hovered = 0;
    if (place == KP_SHELL_PLACE_TOOLBAR && is_inside(input, view))
        hovered = kp_shell_toolbar_button(local_x(input, view), local_y(input, view));
    if (hovered == input->toolbar->model.hovered)
        return;
    input->toolbar->model.hovered = hovered;
    kp_shell_toolbar_view_update(input->toolbar);
}

/* Tells the tabs where the pointer went in and out. */
static void move_over(kp_shell_input_t *input, kp_shell_place_t place)
{
    hover_buttons(input, place);
    if (input->over != place)
        tell(input, input->over, KP_TAB_POINTER_LEAVE, 0);
    input->over = place;
    tell(input, place, KP_TAB_POINTER_MOVE, 0);
}

static int32_t page_height_device(const kp_shell_view_t *view)
{
    return kp_shell_to_device(view->page_height, view->scale);
}

static void drag_thumb(kp_shell_input_t *input)
{
    const kp_shell_view_t *view = &input->page->view;
    int32_t offset = input->y - view->y - input->thumb_grab;
    int32_t to = kp_shell_scroll_from_thumb(view->height, page_height_device(view), offset);
    kp_shell_page_scroll_to(input->page, view->scroll_x, kp_shell_to_css(to, view->scale));
}

static void scroll_bar_down(kp_shell_input_t *input)
{
    const kp_shell_view_t *view = &input->page->view;
    kp_display_thumb_t thumb = kp_display_thumb(view->height, page_height_device(view),
                                                kp_shell_to_device(view->scroll_y, view->scale));
    int32_t at = input->y - view->y;
    int64_t screenful = kp_shell_view_viewport_height(view) - OVERLAP;
    if (at < thumb.offset) {
        kp_shell_page_scroll_by(input->page, 0, -screenful);
    } else if (at >= thumb.offset + thumb.length) {
        kp_shell_page_scroll_by(input->page, 0, screenful);
    } else {
        input->is_dragging_thumb = true;
        input->thumb_grab = at - thumb.offset;
    }
}

static void field_down(kp_shell_input_t *input)
{
    kp_shell_toolbar_t *model = &input->toolbar->model;
    if (!model->is_focused) {
        kp_shell_input_focus_address(input); /* the first click selects all */
        return;
    }
    size_t column = kp_shell_toolbar_column(model, local_x(input, &input->toolbar->view));
    bool is_selecting =
        kp_shell_keymap_feed(&input->keymap, 0, 0).modifiers & KP_TAB_MODIFIER_SHIFT;
    kp_shell_line_edit_place(&model->edit, column, is_selecting);
    input->is_dragging_text = true;
    kp_shell_toolbar_view_update(input->toolbar);
}

static void field_drag(kp_shell_input_t *input)
{
    kp_shell_toolbar_t *model = &input->toolbar->model;
    size_t column = kp_shell_toolbar_column(model, local_x(input, &input->toolbar->view));
    if (kp_shell_line_edit_position(&model->edit, column) == model->edit.caret)
        return;
    kp_shell_line_edit_place(&model->edit, column, true);
    kp_shell_toolbar_view_update(input->toolbar);
}

static void pointer_moved(kp_shell_input_t *input)
{
    kp_shell_place_t place = input->grabbed ? input->grabbed : place_of(input);
    move_over(input, place);
    if (input->is_dragging_thumb)
        drag_thumb(input);
    else if (input->is_dragging_text)
        field_drag(input);
}

static void button_down(kp_shell_input_t *input, uint32_t code)
{
    kp_shell_place_t place = input->grabbed;
    if (place != KP_SHELL_PLACE_FIELD)
        blur(input);
    if (place == KP_SHELL_PLACE_FIELD && code == BTN_LEFT)
        field_down(input);
    else if (place == KP_SHELL_PLACE_SCROLL_BAR && code == BTN_LEFT)
        scroll_bar_down(input);
}

static void button_event(kp_shell_input_t *input, uint32_t code, bool is_down)
{
    if (code == BTN_SIDE || code == BTN_BACK) {
        if (is_down)
            kp_shell_page_back(input->page);
        return;
    }
    if (code == BTN_EXTRA || code == BTN_FORWARD) {
        if (is_down)
            kp_shell_page_forward(input->page);
        return;
    }
    if (code < BTN_LEFT || code > BTN_MIDDLE)
        return;
    static const uint32_t numbers[] = {0, 2, 1}; /* abi/tab.h: main, middle, secondary */
    uint32_t bit = 1u << (code - BTN_LEFT), number = numbers[code - BTN_LEFT];
    if (is_down) {
        if (input->buttons == 0) {
            input->grabbed = place_of(input);
            move_over(input, input->grabbed);
        }
        input->buttons |= bit;
        button_down(input, code);
        tell(input, input->grabbed, KP_TAB_POINTER_DOWN, number);
        return;
    }
    if (!(input->buttons & bit))
        return;
    input->buttons &= ~bit;
    tell(input, input->grabbed, KP_TAB_POINTER_UP, number);
    if (code == BTN_LEFT)
        input->is_dragging_thumb = input->is_dragging_text = false;
    if (input->buttons == 0) {
        input->grabbed = KP_SHELL_PLACE_NONE;
        pointer_moved(input);
    }
}

static void wheel_event(kp_shell_input_t *input, int32_t notches)
{
    kp_shell_place_t place = place_of(input);
    if (place != KP_SHELL_PLACE_PAGE && place != KP_SHELL_PLACE_SCROLL_BAR)
        return;
    if (notches > NOTCHES_MAX || notches < -NOTCHES_MAX)
        notches = notches > 0 ? NOTCHES_MAX : -NOTCHES_MAX;
    int64_t distance = -(int64_t)notches * WHEEL_STEP; /* away from the user: up */
    uint32_t modifiers = kp_shell_keymap_feed(&input->keymap, 0, 0).modifiers;
    if (modifiers & KP_TAB_MODIFIER_SHIFT)
        kp_shell_page_scroll_by(input->page, distance, 0);
    else
        kp_shell_page_scroll_by(input->page, 0, distance);
}

static int32_t within_screen(int32_t value)
{
    return value < -65536 ? -65536 : value > 65536 ? 65536 : value;
}

void kp_shell_input_event(kp_shell_input_t *input, const kp_display_input_t *event)
{
    if (event->kind != KP_DISPLAY_INPUT_KEY) {
        input->x = within_screen(event->x);
        input->y = within_screen(event->y);
    }
    switch (event->kind) {
    case KP_DISPLAY_INPUT_POINTER_MOVE:
        pointer_moved(input);
        break;
    case KP_DISPLAY_INPUT_BUTTON:
        button_event(input, event->code, event->value != 0);
        break;
    case KP_DISPLAY_INPUT_WHEEL:
        wheel_event(input, event->value);
        break;
    case KP_DISPLAY_INPUT_KEY:
        if (event->code >= BTN_LEFT && event->code <= BTN_BACK)
            button_event(input, event->code, event->value != 0);
        else
            key_event(input, event->code, event->value);
        break;
    default:
        break;
    }
}
