/* Tests that run on a kernel thread of the machine hosted (beside kp_test.h, of which KP_TEST_MAIN is not
   for them): the loop over the tests, the start of the machine, the end of a process. */
#ifndef KP_TEST_HOSTED_H
#define KP_TEST_HOSTED_H

#include <dirent.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kernel/kernel.h"
#include "kernel/machine/hosted/hosted.h"
#include "tests/kp_test.h"

/* A guard against hanging, not a measure. */
#define KP_TEST_PATIENCE (600 * KP_NS_PER_S)

/* The level of the system's log: none, unless KPIO_TEST_LOG is set. */
#define KP_TEST_LOG_LEVEL (getenv("KPIO_TEST_LOG") ? KP_LOG_DEBUG : -1)

/* Runs the tests (only: the one of this name; NULL: all) and prints a line for each, "ok NAME" or with a
   variant "ok NAME_VARIANT". after: belongs to each test, may be NULL. Returns how many failed. */
__attribute__((unused)) static int kp_test_all(const char *only, const char *variant,
                                               void (*after)(void))
{
    int failed = 0;
    for (kp_test_t *test = kp_test_first; test; test = test->next) {
        if (only && strcmp(only, test->name) != 0)
            continue;
        kp_test_failures = 0;
        test->run();
        if (after)
            after();
        failed += kp_test_failures != 0;
        printf("%s %s%s%s\n", kp_test_failures ? "not ok" : "ok", test->name, variant ? "_" : "",
               variant ? variant : "");
        fflush(stdout);
    }
    (void)kp_test_last; /* a file may have no test of its own */
    return failed;
}

/* Starts the machine, once in the life of a process, with run(context) on a thread of the kernel; it returns
   how many tests failed. may_lack: what this host may lack for the options ("libslirp"); NULL: nothing. Returns main's. */
__attribute__((unused)) static int kp_test_hosted(const kp_hosted_options_t *options,
                                                  int (*run)(void *context), void *context,
                                                  const char *may_lack)
{
    int failed = 1;
    kp_status_t status = kp_hosted_run(options, run, context, &failed);
    if (status == KP_ERR_NOT_SUPPORTED && may_lack) {
        printf("skip hosted machine: no %s here\n", may_lack);
        failed = 0;
    } else if (status != KP_OK) {
        printf("not ok hosted machine: %s\n", kp_status_name(status));
        failed = 1;
    }
    fflush(stdout);
    return failed != 0;
}

/* The same in a process of its own, of which more than one can be. */
__attribute__((unused)) static int kp_test_hosted_forked(const kp_hosted_options_t *options,
                                                         int (*run)(void *context), void *context,
                                                         const char *may_lack)
{
    int status = 1;
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0)
        exit(kp_test_hosted(options, run, context, may_lack));
    if (waitpid(pid, &status, 0) != pid || status != 0)
        printf("# a machine ended with status 0x%x\n", (unsigned)status);
    return status != 0;
}

/* ---- what a test leaves behind ---- */

typedef struct kp_test_census {
    uint64_t objects; /* of the kernel */
    size_t files;     /* of this process */
} kp_test_census_t;

__attribute__((unused)) static kp_test_census_t kp_test_census_now(void)
{
    kp_test_census_t census = {.objects = kp_object_count(KP_TYPE_NONE)};
    DIR *folder = opendir("/proc/self/fd");
    while (folder && readdir(folder))
        census.files++;
    if (folder)
        closedir(folder);
    return census;
}

/* When nothing has changed for a while: the last of a process goes a little after its end was told. */
__attribute__((unused)) static kp_test_census_t kp_test_census_take(void)
{
    kp_test_census_t last = kp_test_census_now();
    for (int calm = 0; calm < 100; calm++) {
        usleep(1000);
        kp_test_census_t now = kp_test_census_now();
        if (now.objects != last.objects || now.files != last.files)
            calm = 0;
        last = now;
    }
    return last;
}

/* Not more than before. Fewer there may be: on a busy machine the last process before took its time to go. */
__attribute__((unused)) static void kp_test_census_expect(kp_test_census_t before)
{
    kp_test_census_t now = kp_test_census_now();
    for (int i = 0; i < 60000 && (now.objects > before.objects || now.files > before.files); i++) {
        usleep(1000);
        now = kp_test_census_now();
    }
    if (now.objects > before.objects || now.files > before.files)
        KP_FAIL("objects %llu, before %llu; files %zu, before %zu", (unsigned long long)now.objects,
                (unsigned long long)before.objects, now.files, before.files);
}

/* ---- over each of the networks that this host can give ---- */

static const char *kp_test_host; /* this machine, as the system sees it */

__attribute__((unused)) static int kp_test_run_all(void *variant)
{
    return kp_test_all(NULL, variant, NULL);
}

/* All tests twice, with the programs of an archive but shell and display: NAME_over_host_sockets and
   NAME_over_own_stack (libslirp on the other end of the wire). Returns main's. */
__attribute__((unused)) static int kp_test_over_networks(const char *bundle)
{
    int failed = 0;
    for (int own_stack = 0; own_stack < 2; own_stack++) {
        const kp_hosted_options_t options = {
            .bundle_path = bundle,
            .command_line = "shell=off display=off",
            .net = own_stack ? KP_HOSTED_NET_SLIRP : KP_HOSTED_NET_HOST,
            .log_level = KP_TEST_LOG_LEVEL,
        };
        char variant[][20] = {"over_host_sockets", "over_own_stack"};
        kp_test_host = own_stack ? "10.0.2.2" : "127.0.0.1";
        failed |= kp_test_hosted_forked(&options, kp_test_run_all, variant[own_stack],
                                        own_stack ? "libslirp" : NULL);
    }
    return failed;
}

/* Waits for the process's end and gives the reference back. NULL, one that could not be made, fails the test. */
__attribute__((unused)) static kp_process_info_t kp_test_process_end(kp_process_t *process)
{
    kp_process_info_t info = {0};
    if (!process) {
        KP_FAIL("the process could not be made");
        return info;
    }
    KP_EXPECT_INT(kp_wait_one(&process->object, KP_SIGNAL_TERMINATED,
                              kp_machine_now() + KP_TEST_PATIENCE, NULL),
                  KP_OK);
    kp_process_info(process, &info);
    kp_object_release(&process->object);
    return info;
}

#endif
