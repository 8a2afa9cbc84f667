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
    struct held **link; /* what points to this one; NULL when its owner is gone */
    size_t references;
} held;

/* A cache and a config know what the library holds for them, for the garbage collector: an
 * ssl.SSLSession refers to its ssl.SSLContext, and that to both. */
typedef struct {
    PyObject_HEAD tsc_cache *cache;
    PyObject *clock;
    PyObject *on_event;
    uint64_t last_ms;
    held *all; /* of sessions by hand */
} Cache;

typedef struct {
    PyObject_HEAD tsc_config *config;
    Cache *cache;
    held *all;
} Config;

typedef struct {
    PyObject_HEAD tsc_attempt *attempt;
    Config *config;
} Attempt;

extern PyTypeObject *CacheType, *ConfigType, *AttemptType;
extern PyObject *SSLSession;
extern PyType_Spec cache_spec, config_spec, attempt_spec;

/* Raises tsc.Error for a status; returns NULL. */
PyObject *raise_status(tsc_status status);
/* None, or raises. */
PyObject *done(tsc_status status);

/* held_new takes a reference of its own to the object, and puts it on its owner's list. The other
 * two are for the library. */
held *held_new(held **all, PyObject *object);
void held_retain(void *one);
void held_release(void *one);
/* For the owner: shows the objects on its list to the collector, and lets go of them; their shells
 * stay with the library. */
int held_visit_all(held *all, visitproc visit, void *arg);
void held_clear_all(held **all);

/* For types that only this module makes. */
PyObject *no_new(PyTypeObject *type, PyObject *args, PyObject *kwargs);

/* For the library: what happened in a cache. */
void cache_event(void *cache, const tsc_event *event, size_t size);
/* What a key that was made for sessions by hand says. */
void endpoint_of_key(const uint8_t *key, size_t len, tsc_endpoint *endpoint);

/* Methods of Cache. */
PyObject *cache_get(PyObject *self, PyObject *endpoint);
PyObject *cache_put(PyObject *self, PyObject *args);
PyObject *cache_available(PyObject *self, PyObject *endpoint);

PyObject *config_new(Cache *cache, long long client_not_after);
PyObject *attempt_new(Config *config, const tsc_endpoint *endpoint);
PyObject *event_filter(PyObject *module, PyObject *callback);

#endif
