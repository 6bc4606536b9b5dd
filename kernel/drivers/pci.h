/* PCI functions, found through configuration ports 0xcf8/0xcfc (configuration space up to 256
   bytes, all that virtio needs). Single-threaded: only while drivers start. */
#ifndef KP_KERNEL_DRIVERS_PCI_H
#define KP_KERNEL_DRIVERS_PCI_H

#include "kernel/base/base.h"

#define KP_PCI_BAR_COUNT 6u

typedef struct kp_pci_bar {
    uint64_t physical; /* 0: not a memory BAR, or the upper half of the BAR before it */
    uint64_t size;
    volatile uint8_t *mapped; /* NULL until kp_pci_bar_map */
} kp_pci_bar_t;

typedef struct kp_pci_function {
    uint16_t address; /* bus << 8 | device << 3 | function */
    uint16_t vendor, device, subsystem;
    kp_pci_bar_t bars[KP_PCI_BAR_COUNT];
    volatile uint32_t *msix_table; /* NULL until kp_pci_msix_enable */
    uint16_t msix_count;
    uint8_t msix_capability; /* offset; 0: none */
} kp_pci_function_t;

uint8_t kp_pci_read8(const kp_pci_function_t *function, uint8_t offset);
uint16_t kp_pci_read16(const kp_pci_function_t *function, uint8_t offset);
uint32_t kp_pci_read32(const kp_pci_function_t *function, uint8_t offset);
void kp_pci_write16(const kp_pci_function_t *function, uint8_t offset, uint16_t value);
void kp_pci_write32(const kp_pci_function_t *function, uint8_t offset, uint32_t value);

/* Calls found(function, context) for every function on every bus that the firmware reaches. BARs
   are read and sized; memory BARs that the firmware left unassigned are placed before the first
   call. The function is lent for the call; copy it to keep it. Returns how many there are. */
size_t kp_pci_scan(void (*found)(const kp_pci_function_t *function, void *context), void *context);

/* Maps a memory BAR (once); NULL when it is none or memory is short. */
volatile uint8_t *kp_pci_bar_map(kp_pci_function_t *function, uint32_t bar);

/* Lets the function access memory on its own and decode its memory BARs. */
void kp_pci_enable(const kp_pci_function_t *function);

/* The next capability with this id after offset `after` (0: the first); 0: there is none. */
uint8_t kp_pci_capability(const kp_pci_function_t *function, uint8_t id, uint8_t after);

/* Maps the MSI-X table, masks every entry and switches MSI-X on (and INTx off).
   ERR_NOT_SUPPORTED: the function has none. */
kp_status_t kp_pci_msix_enable(kp_pci_function_t *function);
/* Directs entry `index` of the table to handler(argument) (see kernel/machine/x86_64/interrupt.h
   for what a handler may do) and unmasks it. */
kp_status_t kp_pci_msix_connect(kp_pci_function_t *function, uint16_t index,
                                void (*handler)(void *), void *argument);

#endif
