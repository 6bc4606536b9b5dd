/* Names for addresses in an image: hosted images keep their ELF symbol table. Every bound is
   checked, for a damaged archive must not bring the kernel down while it reports something else. */
#include <elf.h>
#include <stdio.h>
#include <string.h>

#include "kernel/machine/hosted/hosted_internal.h"
#include "kernel/object/image.h"

/* size bytes at offset of the file, or NULL. Images are page-aligned, sections as ELF aligns them.
 */
static const void *part(const kp_image_t *image, uint64_t offset, uint64_t size)
{
    return offset <= image->size && size <= image->size - offset ? image->bytes + offset : NULL;
}

/* The section of symbols; NULL: stripped. *strings: its string table. */
static const Elf64_Shdr *symbol_section(const kp_image_t *image, const Elf64_Shdr **strings)
{
    const Elf64_Ehdr *head = part(image, 0, sizeof(*head));
    if (!head || head->e_shoff % 8 != 0 || head->e_shentsize != sizeof(Elf64_Shdr))
        return NULL;
    const Elf64_Shdr *sections =
        part(image, head->e_shoff, (uint64_t)head->e_shnum * sizeof(*sections));
    for (uint32_t i = 0; sections && i < head->e_shnum; i++) {
        if (sections[i].sh_type == SHT_SYMTAB && sections[i].sh_link < head->e_shnum) {
            *strings = &sections[sections[i].sh_link];
            return &sections[i];
        }
    }
    return NULL;
}

/* The function with the largest address <= offset; NULL: none. */
static const char *find(const kp_image_t *image, uint64_t offset, uint64_t *start)
{
    const Elf64_Shdr *strings, *section = symbol_section(image, &strings);
    if (!section || section->sh_offset % 8 != 0)
        return NULL;
    const Elf64_Sym *symbols = part(image, section->sh_offset, section->sh_size);
    const char *names = part(image, strings->sh_offset, strings->sh_size);
    if (!symbols || !names || strings->sh_size == 0 || names[strings->sh_size - 1] != '\0')
        return NULL;
    const char *best = NULL;
    for (uint64_t i = 0; i < section->sh_size / sizeof(*symbols); i++) {
        if (ELF64_ST_TYPE(symbols[i].st_info) != STT_FUNC || symbols[i].st_value > offset ||
            symbols[i].st_name >= strings->sh_size || (best && symbols[i].st_value < *start))
            continue;
        best = names + symbols[i].st_name;
        *start = symbols[i].st_value;
    }
    return best;
}

/* wasm2c's spelling undone: w2c_program_name_0 -> name, 0x5F -> '_', 0x2E -> '.'. */
static void copy_name(char *to, size_t size, const char *name)
{
    static const char prefix[] = "w2c_program_";
    if (strncmp(name, prefix, sizeof(prefix) - 1) == 0)
        name += sizeof(prefix) - 1;
    size_t length = strlen(name), at = 0;
    if (length > 2 && strcmp(name + length - 2, "_0") == 0)
        length -= 2;
    for (size_t i = 0; i < length && at + 1 < size; i++) {
        bool is_line = strncmp(name + i, "0x5F", 4) == 0,
             is_dot = strncmp(name + i, "0x2E", 4) == 0;
        to[at++] = is_line ? '_' : is_dot ? '.' : name[i];
        i += is_line || is_dot ? 3 : 0;
    }
    to[at] = '\0';
}

void kp_hosted_symbol(const kp_image_t *image, uint64_t offset, char *text, size_t size)
{
    uint64_t start = 0;
    const char *name = offset < image->span ? find(image, offset, &start) : NULL;
    char plain[128];
    if (name)
        copy_name(plain, sizeof(plain), name);
    if (name)
        snprintf(text, size, "%s+0x%llx", plain, (unsigned long long)(offset - start));
    else
        snprintf(text, size, "0x%llx", (unsigned long long)offset);
}
