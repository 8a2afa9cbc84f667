/* tsc_openssl.h on the SSL_CTX and the SSL inside the objects of `ssl`. This file is what knows of
 * their insides; direct.c only uses them. */
#ifndef TSC_PYTHON_DIRECT_H
#define TSC_PYTHON_DIRECT_H

#include "module.h"

#include "openssl.h"
#include "tsc_openssl.h"

/* How _ssl._SSLContext and _ssl._SSLSocket begin, from CPython 3.9 to 3.14. */
typedef struct {
    PyObject_HEAD SSL_CTX *ctx;
} ssl_context;

typedef struct {
    PyObject_HEAD PyObject *owner;
    SSL *ssl;
    PyObject *context;
} ssl_socket;

/* Finds OpenSSL's functions where the module `_ssl` has them, and checks that the two objects are
 * as above, in this order: nothing is called, and no guessed pointer followed, that was not looked
 * at before. NULL: all is well. Otherwise what is not.
 *
 * function: one of `_ssl`, which tells where the module is. socket: made from context.
 * version, options: what Python says OpenSSL's are. */
const char *openssl_find(PyObject *function, const ssl_context *context, const ssl_socket *socket,
                         const char *version, uint64_t options);

#endif
