/* A CoreMark-like mix, our own: a linked list that is searched, reversed and sorted, a state machine over
   text called through a table, a matrix of 16-bit numbers, a CRC over all. */
#include "kernel.h"

enum { NODES = 200, SIZE = 24, TEXT = 512 };
typedef struct node {
    struct node *next;
    int16_t key, data;
} node_t;
static node_t nodes[NODES];
static int16_t a[SIZE][SIZE], b[SIZE][SIZE];
static int32_t product[SIZE][SIZE];
static char text[TEXT];

static uint16_t crc(uint16_t sum, uint32_t data)
{
    for (int i = 0; i < 16; i++, data >>= 1)
        sum = (uint16_t)((data ^ sum) & 1 ? sum >> 1 ^ 0xa001 : sum >> 1);
    return sum;
}

static node_t *merge_sort(node_t *list, int (*order)(const node_t *, const node_t *))
{
    for (int width = 1;; width *= 2) {
        node_t *from = list, *tail = 0;
        int merges = 0;
        list = 0;
        while (from) {
            node_t *left = from, *right = from;
            int lefts = 0, rights = width;
            merges++;
            for (; lefts < width && right; lefts++)
                right = right->next;
            while (lefts > 0 || (rights > 0 && right)) {
                node_t *next;
                if (lefts == 0 || (rights > 0 && right && order(left, right) > 0)) {
                    next = right;
                    right = right->next;
                    rights--;
                } else {
                    next = left;
                    left = left->next;
                    lefts--;
                }
                if (tail)
                    tail->next = next;
                else
                    list = next;
                tail = next;
            }
            from = right;
        }
        if (tail)
            tail->next = 0;
        if (merges <= 1)
            return list;
    }
}

static int by_key(const node_t *x, const node_t *y)
{
    return x->key - y->key;
}

static int by_data(const node_t *x, const node_t *y)
{
    return x->data - y->data;
}

static int start(char c)
{
    return c >= '0' && c <= '9' ? 1 : c == '-' || c == '+' ? 2 : c == '.' ? 3 : 0;
}

static int number(char c)
{
    return c >= '0' && c <= '9' ? 1 : c == '.' ? 3 : c == ',' ? 0 : 4;
}

static int sign(char c)
{
    return c >= '0' && c <= '9' ? 1 : 4;
}

static int fraction(char c)
{
    return c >= '0' && c <= '9' ? 3 : c == 'e' ? 2 : c == ',' ? 0 : 4;
}

static int invalid(char c)
{
    return c == ',' ? 0 : 4;
}

static int (*volatile states[5])(char) = {start, number, sign, fraction, invalid};

uint32_t run(uint32_t rounds)
{
    uint16_t sum = 0;
    for (int i = 0; i < TEXT; i++)
        text[i] = "12.5,-7e3,+9,x1,.25,"[(i * 7) % 20];
    for (int i = 0; i < NODES; i++)
        nodes[i] = (node_t){i + 1 < NODES ? &nodes[i + 1] : 0, (int16_t)(i * 7919 % 1009),
                            (int16_t)(i * 104729 % 997)};
    node_t *list = nodes;
    for (uint32_t round = 0; round < rounds * 200; round++) {
        list = merge_sort(list, round & 1 ? by_key : by_data);
        for (node_t *node = list; node; node = node->next)
            if (node->key == (int)(round % 1009))
                sum = crc(sum, (uint32_t)node->data);
        for (int i = 0; i < SIZE; i++)
            for (int j = 0; j < SIZE; j++) {
                a[i][j] = (int16_t)(i * j + (int)round);
                b[i][j] = (int16_t)(i - j);
            }
        for (int i = 0; i < SIZE; i++)
            for (int j = 0; j < SIZE; j++) {
                int32_t total = 0;
                for (int k = 0; k < SIZE; k++)
                    total += a[i][k] * b[k][j];
                product[i][j] = total;
            }
        sum = crc(sum, (uint32_t)product[round % SIZE][3]);
        int state = 0, counts[5] = {0};
        for (int i = 0; i < TEXT; i++) {
            state = states[state](text[i]);
            counts[state]++;
        }
        for (int i = 0; i < 5; i++)
            sum = crc(sum, (uint32_t)counts[i]);
    }
    return sum;
}
