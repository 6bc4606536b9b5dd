/* The tree and the deadline queue against simple models. */
#include "kernel/time/deadline.h"
#include "tests/kp_test.h"

#include <stdlib.h>

_Noreturn void kp_panic(const char *format, ...)
{
    printf("# panic: %s\n", format);
    abort();
}

enum { NODES = 500 };

static unsigned depth_of(const kp_tree_node_t *node)
{
    if (!node)
        return 0;
    unsigned left = depth_of(node->child[0]), right = depth_of(node->child[1]);
    return 1 + KP_MAX(left, right);
}

/* Counts, and checks order, links, heap and minima on the way. */
static unsigned check_subtree(const kp_tree_node_t *node, const kp_tree_node_t *parent,
                              uint64_t from, uint64_t to)
{
    if (!node)
        return 0;
    uint64_t least = node->value;
    for (int side = 0; side < 2; side++) {
        const kp_tree_node_t *child = node->child[side];
        if (child && child->minimum < least)
            least = child->minimum;
    }
    KP_EXPECT(node->parent == parent && node->key >= from && node->key <= to);
    KP_EXPECT(!parent || parent->priority >= node->priority);
    KP_EXPECT_INT(node->minimum, least);
    return 1 + check_subtree(node->child[0], node, from, node->key) +
           check_subtree(node->child[1], node, node->key, to);
}

KP_TEST(tree_agrees_with_a_list)
{
    static kp_tree_node_t nodes[NODES];
    kp_tree_t tree;
    kp_tree_init(&tree, 12345);
    unsigned seed = 1, linked = 0;
    KP_EXPECT(!kp_tree_first(&tree) && !kp_tree_find(&tree, 0));
    KP_EXPECT(kp_tree_minimum(&tree) == UINT64_MAX);
    for (unsigned step = 0; step < 20000; step++) {
        kp_tree_node_t *node = &nodes[rand_r(&seed) % NODES];
        if (node->is_linked) {
            kp_tree_remove(&tree, node);
            linked--;
        } else {
            node->key = (unsigned)rand_r(&seed) % 300;
            node->value = (unsigned)rand_r(&seed) % 1000;
            kp_tree_insert(&tree, node);
            linked++;
        }
        if (step % 50)
            continue;
        uint64_t first = UINT64_MAX, least = UINT64_MAX;
        for (unsigned i = 0; i < NODES; i++) {
            if (!nodes[i].is_linked)
                continue;
            first = KP_MIN(first, nodes[i].key);
            least = KP_MIN(least, nodes[i].value);
            const kp_tree_node_t *found = kp_tree_find(&tree, nodes[i].key);
            KP_EXPECT(found && found->key == nodes[i].key);
        }
        KP_EXPECT_INT(check_subtree(tree.root, NULL, 0, UINT64_MAX), linked);
        KP_EXPECT(!linked || kp_tree_first(&tree)->key == first);
        KP_EXPECT(kp_tree_minimum(&tree) == least);
        KP_EXPECT(!kp_tree_find(&tree, 300));
    }
}

KP_TEST(ordered_keys_make_no_list_of_the_tree)
{
    enum { MANY = 10000 };
    static kp_tree_node_t nodes[MANY];
    kp_tree_t tree;
    kp_tree_init(&tree, 99);
    for (unsigned i = 0; i < MANY; i++) {
        nodes[i].key = i;
        kp_tree_insert(&tree, &nodes[i]);
    }
    KP_EXPECT(depth_of(tree.root) < 50);
    for (unsigned i = 0; i < MANY; i++) {
        KP_EXPECT(kp_tree_first(&tree) == &nodes[i]);
        kp_tree_remove(&tree, &nodes[i]);
        kp_tree_remove(&tree, &nodes[i]);
    }
    KP_EXPECT(!tree.root);
}

KP_TEST(equal_keys_stay_in_order)
{
    kp_tree_node_t nodes[20] = {0};
    kp_tree_t tree;
    kp_tree_init(&tree, 7);
    for (unsigned i = 0; i < 20; i++)
        kp_tree_insert(&tree, &nodes[i]);
    for (unsigned i = 0; i < 20; i++) {
        KP_EXPECT(kp_tree_first(&tree) == &nodes[i]);
        kp_tree_remove(&tree, &nodes[i]);
    }
}

KP_TEST(deadlines_come_in_order_and_never_early_or_late)
{
    static kp_deadline_t entries[NODES];
    static kp_time_t deadlines[NODES];
    static uint64_t slacks[NODES];
    kp_deadline_queue_t queue;
    kp_deadline_queue_init(&queue, 5);
    unsigned seed = 2, left = NODES;
    for (unsigned i = 0; i < NODES; i++) {
        deadlines[i] = rand_r(&seed) % 100000;
        slacks[i] = (unsigned)rand_r(&seed) % 3 ? (unsigned)rand_r(&seed) % 5000 : 0;
        kp_deadline_add(&queue, &entries[i], deadlines[i], slacks[i]);
    }
    kp_time_t now = 0, before = 0;
    unsigned wakeups = 0;
    while (left > 0) {
        now = kp_deadline_next(&queue);
        KP_REQUIRE(now != KP_TIME_INFINITE && now >= before);
        wakeups++;
        kp_deadline_t *due;
        kp_time_t last = 0;
        while ((due = kp_deadline_pop(&queue, now))) {
            long i = due - entries;
            KP_EXPECT(deadlines[i] <= now && now <= deadlines[i] + (kp_time_t)slacks[i]);
            KP_EXPECT(deadlines[i] >= last && !kp_deadline_is_queued(due));
            last = deadlines[i];
            left--;
        }
        before = now;
    }
    KP_EXPECT_INT(kp_deadline_next(&queue), KP_TIME_INFINITE);
    KP_EXPECT(wakeups < NODES);
}

KP_TEST(slack_shares_wakeups)
{
    static kp_deadline_t entries[100];
    kp_deadline_queue_t queue;
    kp_deadline_queue_init(&queue, 5);
    for (unsigned i = 0; i < 100; i++)
        kp_deadline_add(&queue, &entries[i], 1000 + (kp_time_t)i, 99);
    KP_EXPECT_INT(kp_deadline_next(&queue), 1099);
    unsigned served = 0;
    while (kp_deadline_pop(&queue, 1099))
        served++;
    KP_EXPECT_INT(served, 100);
}

KP_TEST(extreme_times)
{
    kp_deadline_t entries[3] = {0};
    kp_deadline_queue_t queue;
    kp_deadline_queue_init(&queue, 0);
    kp_deadline_add(&queue, &entries[0], INT64_MIN, 0);
    kp_deadline_add(&queue, &entries[1], KP_TIME_INFINITE - 1, UINT64_MAX);
    kp_deadline_add(&queue, &entries[2], 5, UINT64_MAX);
    KP_EXPECT_INT(kp_deadline_next(&queue), 0);
    KP_EXPECT(kp_deadline_pop(&queue, INT64_MIN) == &entries[0]);
    KP_EXPECT(!kp_deadline_pop(&queue, 4));
    KP_EXPECT_INT(kp_deadline_next(&queue), KP_TIME_INFINITE);
    KP_EXPECT(kp_deadline_pop(&queue, 5) == &entries[2]);
    kp_deadline_remove(&queue, &entries[1]);
    kp_deadline_remove(&queue, &entries[1]);
    KP_EXPECT_INT(kp_deadline_next(&queue), KP_TIME_INFINITE);
}

KP_TEST_MAIN()
