#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* dladdr */
#endif
#include "direct.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <unistd.h>

openssl_functions openssl;

/* Copies memory that may not be there: a pipe refuses what a load would die of. */
static int copy(const void *from, void *to, size_t size) {
    int ends[2];
    if (pipe(ends) != 0)
        return 0;
    int copied =
        write(ends[1], from, size) == (ssize_t)size && read(ends[0], to, size) == (ssize_t)size;
    close(ends[0]);
    close(ends[1]);
    return copied;
}

/* Where the file that an address is in was loaded, or NULL. */
static const void *file_of(const void *address) {
    Dl_info info;
    return dladdr(address, &info) != 0 ? info.dli_fbase : NULL;
}

/* Whether a pointer leads to an SSL or an SSL_CTX of a libssl: among the first words of both is a
 * pointer to a table of methods, which lies in the file of the libssl that made it. */
static int is_of(const void *object, const void *libssl) {
    const void *words[8];
    if ((uintptr_t)object % sizeof(void *) != 0 || !copy(object, words, sizeof words))
        return 0;
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (words[i] != NULL && file_of(words[i]) == libssl)
            return 1;
    return 0;
}

static const char *find_functions(PyObject *function, const void **libssl) {
    Dl_info module;
    PyCFunction code = PyCFunction_Check(function) ? PyCFunction_GetFunction(function) : NULL;
    if (code == NULL || dladdr((void *)code, &module) == 0)
        return "where the module _ssl is cannot be seen";
    void *handle = dlopen(module.dli_fname, RTLD_LAZY | RTLD_NOLOAD);
    int in_program = handle == NULL; /* which has no name here */
    if (in_program)
        handle = dlopen(NULL, RTLD_LAZY);
    if (handle == NULL)
        return "the module _ssl cannot be looked into";
    static const struct {
        const char *name;
        size_t offset;
    } wanted[] = {
#define WANTED(name) {#name, offsetof(openssl_functions, name##_)},
        OPENSSL_FUNCTIONS(WANTED)};
    openssl_functions found;
    const void *files[2] = {NULL, NULL}; /* libssl and libcrypto, which may be one */
    const char *reason = NULL;
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted && reason == NULL; i++) {
        void *symbol = dlsym(handle, wanted[i].name);
        const void *file = symbol == NULL ? NULL : file_of(symbol);
        if (symbol == NULL)
            reason = i == 0 ? "_ssl does not show the functions of its OpenSSL"
                            : "OpenSSL lacks functions, as it does before 3.0";
        else if (i == 0 && in_program && file != module.dli_fbase)
            reason = "_ssl does not show the functions of its OpenSSL"; /* but somebody else's */
        else if (i == 0)
            files[0] = file;
        else if (file != files[0] && files[1] == NULL)
            files[1] = file;
        else if (file != files[0] && file != files[1])
            reason = "there is more than one OpenSSL";
        memcpy((char *)&found + wanted[i].offset, &symbol, sizeof symbol);
    }
    dlclose(handle); /* the module stays all the same */
    if (reason == NULL) {
        openssl = found;
        *libssl = files[0];
    }
    return reason;
}

const char *openssl_find(PyObject *function, const ssl_context *context, const ssl_socket *socket,
                         const char *version, uint64_t options) {
    const void *libssl;
    const char *reason = find_functions(function, &libssl);
    if (reason != NULL)
        return reason;
    if (OpenSSL_version_num() >> 28 < 3 || OpenSSL_version_num() >> 28 > 4)
        return "OpenSSL is neither 3 nor 4";
    if (strcmp(OpenSSL_version(OPENSSL_VERSION), version) != 0)
        return "there is more than one OpenSSL";
    /* The objects themselves are large enough, as direct_check has seen, and so can be read. */
    if (socket->context != (const PyObject *)context || !is_of(context->ctx, libssl) ||
        !is_of(socket->ssl, libssl))
        return "the objects of _ssl are not as they were known to be";
    if (SSL_get_ex_data(socket->ssl, 0) != socket || SSL_get_SSL_CTX(socket->ssl) != context->ctx ||
        SSL_is_server(socket->ssl) || SSL_CTX_get_options(context->ctx) != options)
        return "the objects of _ssl are not what they seemed to be";
    return NULL;
}
