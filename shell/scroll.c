#include "shell/scroll.h"

#include "abi/display.h"

static int32_t saturate(int64_t value)
{
    return value > INT32_MAX ? INT32_MAX : value < INT32_MIN ? INT32_MIN : (int32_t)value;
}

int32_t kp_shell_scroll_clamp(int64_t position, int32_t page, int32_t viewport)
{
    int64_t most = (int64_t)page - viewport;
    if (position > most)
        position = most;
    return position < 0 ? 0 : saturate(position);
}

bool kp_shell_scroll_bar_update(kp_shell_scroll_bar_t *bar, int32_t page_height,
                                int32_t viewport_height)
{
    bool is_needed = page_height > viewport_height;
    if (is_needed)
        bar->is_decided = true;
    if (is_needed == bar->is_shown || (!is_needed && bar->is_decided))
        return false;
    bar->is_shown = is_needed;
    return true;
}

int32_t kp_shell_scroll_from_thumb(int32_t track, int32_t page_height, int32_t offset)
{
    int32_t length = kp_display_thumb(track, page_height, 0).length;
    int64_t room = (int64_t)track - length;
    if (room <= 0)
        return 0;
    int64_t position = ((int64_t)page_height - track) * offset / room;
    return kp_shell_scroll_clamp(position, page_height, track);
}

int32_t kp_shell_to_device(int32_t css, uint32_t scale)
{
    return saturate((int64_t)css * scale / 256);
}

int32_t kp_shell_to_css(int32_t device, uint32_t scale)
{
    return scale == 0 ? device : saturate((int64_t)device * 256 / scale);
}
