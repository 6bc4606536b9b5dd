/* The program display. */
#include "display/display.h"

int main(void)
{
    static kp_display_t display;
    kp_status_t status = kp_display_open(&display);
    if (status != KP_OK) {
        kp_log("cannot serve: %s", kp_status_text(status));
        return 1;
    }
    return kp_loop_run(&display.loop);
}
