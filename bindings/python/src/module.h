/* What the parts of the extension share. Everything here is called with the GIL held, which is what
 * guards it. A free-threaded build has none: there it is the two locks below. */
#ifndef TSC_PYTHON_MODULE_H
#define TSC_PYTHON_MODULE_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "tsc.h"

/* lock_shared guards what threads share, for a few instructions: nothing inside calls Python or the
 * library. Between BEGIN_ALONE and END_ALONE is one call at a time on an object, as in `ssl`. */
#ifdef Py_GIL_DISABLED
void lock_shared(void);
void unlock_shared(void);
#define BEGIN_ALONE(object) Py_BEGIN_CRITICAL_SECTION(object)
#define END_ALONE Py_END_CRITICAL_SECTION()
#else
static inline void lock_shared(void) {}
static inline void unlock_shared(void) {}
#define BEGIN_ALONE(object) {
#define END_ALONE }
#endif

/* What the library holds and releases in place of a Python object. */
typedef struct cached_object {
    PyObject *object;
    struct cached_object *next;
    struct cached_object **link; /* what points to this one; NULL when its owner is gone */
    size_t references;
} cached_object;

/* What the library calls. It stays when its Cache goes: the library's cache lasts as long as an
 * SSL_CTX is attached to it, and calls until then, to no effect. */
typedef struct {
    PyObject *clock;
    PyObject *on_event;
    uint64_t last_ms;
} callbacks;

/* A cache and a config know what the library holds for them, for the garbage collector: an
 * ssl.SSLSession refers to its ssl.SSLContext, and that to both. */
typedef struct {
    PyObject_HEAD tsc_cache *cache;
    tsc_config *by_hand;    /* of the sessions that are got and put without an Attempt */
    callbacks *callbacks;   /* NULL: there are none */
    cached_object *objects; /* those that were put without an Attempt */
    int shares;             /* through tsc-agent, which calls may wait for */
} Cache;

typedef struct {
    PyObject_HEAD tsc_config *config;
    Cache *cache;
    cached_object *objects;
} Config;

typedef struct {
    PyObject_HEAD tsc_attempt *attempt;
    Config *config;
} Attempt;

extern PyTypeObject *CacheType, *ConfigType, *AttemptType;
extern PyObject *SSLSession, *ticket_lifetime_hint;
extern PyType_Spec cache_spec, config_spec, attempt_spec;

/* Raises tsc.Error for a status; returns NULL. */
PyObject *raise_status(tsc_status status);
/* None, or raises. */
PyObject *none_or_raise(tsc_status status);

/* cached_object_new takes a reference of its own to the object, and puts it on its owner's list.
 * The other two are for the library. */
cached_object *cached_object_new(cached_object **list, PyObject *object);
void cached_object_retain(void *one);
void cached_object_release(void *one);
/* A reference to what is in a variable that others may clear, or NULL. */
PyObject *new_reference(PyObject **shared);
/* Clears such a variable. */
void clear_shared(PyObject **shared);
/* For the owner: shows the objects on its list to the collector, and lets go of them; what stood
 * for them stays with the library. */
int cached_objects_visit(cached_object *list, visitproc visit, void *arg);
void cached_objects_clear(cached_object **list);

/* Runs what needs Python, called by the library, which may not have the GIL. */
void with_gil(void (*run)(void *), void *arg);

/* For types that only this module makes. */
PyObject *no_new(PyTypeObject *type, PyObject *args, PyObject *kwargs);

/* The name of a TSC_REASON_*; NULL for TSC_REASON_NONE. */
const char *reason_name(uint32_t reason);
/* For the library: what happened in a cache. */
void cache_event(void *callbacks, const tsc_event *event, size_t size);
/* Reads an endpoint: a tuple (host, port) or (host, port, server name or None), or a driver's
 * object with an address and a port. The strings are lent by it, or by *owner, which is the
 * caller's to release, or NULL. Returns 0 if it raised. */
int endpoint_by_hand(PyObject *of, tsc_endpoint *endpoint, PyObject **owner);

PyObject *config_new(Cache *cache, long long client_not_after);
PyObject *attempt_new(Config *config, const tsc_endpoint *endpoint);
PyObject *ticket_filter(PyObject *module, PyObject *callback);

/* direct.c */
PyObject *direct_check(PyObject *module, PyObject *args);
PyObject *direct_attach(PyObject *module, PyObject *args);
PyObject *direct_detach(PyObject *module, PyObject *context);
PyObject *direct_set(PyObject *module, PyObject *args);
PyObject *direct_export(PyObject *module, PyObject *args);
PyObject *direct_import(PyObject *module, PyObject *args);
PyObject *direct_lend_messages(PyObject *module, PyObject *args);
PyObject *direct_data_came(PyObject *module, PyObject *connection);
PyObject *direct_prepare(PyObject *module, PyObject *args);
PyObject *direct_hand_over(PyObject *module, PyObject *args);
PyObject *direct_peer(PyObject *module, PyObject *connection);
PyObject *direct_offer(PyObject *module, PyObject *connection);
PyObject *direct_wait_fd(PyObject *module, PyObject *args);
PyObject *direct_established(PyObject *module, PyObject *connection);
PyObject *direct_failed(PyObject *module, PyObject *args);
PyObject *direct_keep_nodelay(PyObject *module, PyObject *connection);
PyObject *direct_reason(PyObject *module, PyObject *connection);

#endif
