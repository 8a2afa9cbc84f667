/* What the parts of the extension share. Everything here is called with the GIL held, which is what
 * guards it: the module doesn't declare that it does without, so a free-threaded build keeps it. */
#ifndef TSC_PYTHON_MODULE_H
#define TSC_PYTHON_MODULE_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "tsc.h"

/* A Python object in the cache: what the library holds and releases. */
typedef struct held {
    PyObject *object;
    struct held *next;
    struct held **link; /* what points to this one; NULL when its config is gone */
} held;

typedef struct {
    PyObject_HEAD tsc_cache *cache;
    PyObject *clock;
    uint64_t last_ms;
} Cache;

/* A config knows what the library holds for it, for the garbage collector: an ssl.SSLSession refers
 * to its ssl.SSLContext, and that to the config. */
typedef struct {
    PyObject_HEAD tsc_config *config;
    Cache *cache;
    held *all;
} Config;

typedef struct {
    PyObject_HEAD tsc_conn *conn;
    Config *config;
} Conn;

extern PyTypeObject *CacheType, *ConfigType, *ConnType;
extern PyType_Spec cache_spec, config_spec, conn_spec;

/* Raises tsc.Error for a status; returns NULL. */
PyObject *raise_status(tsc_status status);
/* None, or raises. */
PyObject *done(tsc_status status);

/* held_new takes a reference of its own. held_release is for the library. */
held *held_new(Config *config, PyObject *object);
void held_release(void *object);
/* Lets go of the object of every held of a config, whose shells stay with the library. */
void held_clear_all(Config *config);

/* Reads arguments that begin with a tuple (host, port) or (host, port, server name or None) into an
 * endpoint that is lent by them. */
int endpoint_from(PyObject *args, const char *format, tsc_endpoint *endpoint, void *more[4]);

PyObject *config_new(Cache *cache, long long client_not_after);
PyObject *conn_new(Config *config, const tsc_endpoint *endpoint);
PyObject *event_filter(PyObject *module, PyObject *callback);

#endif
