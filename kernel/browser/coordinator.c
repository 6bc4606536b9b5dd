#include "kernel/browser/coordinator.h"

#include "kernel/init/boot.h"
#include "kernel/init/files.h"
#include "kernel/ipc/channel.h"
#include "kernel/object/event.h"

#define TABS_MAX 4096u
#define TAB_MEBIBYTES 1024u

static kp_object_t *coordinator;
static _Atomic uint64_t tabs_made;

static void coordinator_destroy(kp_object_t *object)
{
    (void)object;
    kp_panic("coordinator: destroyed"); /* the static reference never goes */
}

static const kp_object_ops_t coordinator_ops = {.destroy = coordinator_destroy};

kp_status_t kp_coordinator_init(void)
{
    if (coordinator)
        return KP_OK;
    coordinator = kp_kalloc(sizeof(*coordinator));
    if (!coordinator)
        return KP_ERR_NO_MEMORY;
    kp_object_init(coordinator, KP_TYPE_COORDINATOR, &coordinator_ops);
    return KP_OK;
}

kp_object_t *kp_coordinator_object(void)
{
    return coordinator;
}

kp_status_t kp_coordinator_tab_create(kp_capability_t *channel, kp_capability_t *process)
{
    const kp_image_t *image;
    kp_status_t status = kp_files_image("tab", &image);
    if (status != KP_OK)
        return status;
    kp_capability_t ends[2];
    status = kp_channel_create(ends);
    if (status != KP_OK)
        return status;
    kp_startup_t startup;
    kp_startup_init(&startup);
    kp_startup_argument(&startup, "tab");
    kp_startup_grant(&startup, "control", ends[1]);
    kp_boot_grant_service(&startup, "http", KP_RIGHT_CONNECT);
    kp_files_grant(&startup, "fonts/");
    kp_files_grant(&startup, "ui/");
    uint64_t limits[KP_QUOTA_KINDS];
    kp_boot_limits(limits, TAB_MEBIBYTES);
    char name[32];
    kp_snprintf(name, sizeof(name), "tab-%llu",
                (unsigned long long)(atomic_fetch_add(&tabs_made, 1) + 1));
    kp_process_t *made;
    status = kp_startup_launch(&startup, name, image, limits, &made);
    if (status != KP_OK) {
        kp_capability_close(&ends[0]);
        return status;
    }
    *channel = ends[0];
    *process = kp_capability_create(&made->object, kp_object_default_rights(KP_TYPE_PROCESS));
    kp_object_release(&made->object);
    return KP_OK;
}
