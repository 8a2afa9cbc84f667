#include "module.h"

PyTypeObject *CacheType;

#define LIFETIME_NOT_KNOWN 0xFFFFFFFFu

typedef struct {
    callbacks *of;
    uint64_t ms;
} look;

static void look_at_clock(void *arg) {
    look *it = arg;
    callbacks *self = it->of;
    PyObject *clock = new_reference(&self->clock);
    if (clock != NULL) {
        PyObject *type, *value, *traceback;
        PyErr_Fetch(&type, &value, &traceback); /* as for on_event */
        PyObject *now = PyObject_CallObject(clock, NULL);
        unsigned long long ms = now == NULL ? 0 : PyLong_AsUnsignedLongLong(now);
        if (PyErr_Occurred())
            PyErr_WriteUnraisable(clock);
        else
            __atomic_store_n(&self->last_ms, ms, __ATOMIC_RELAXED);
        Py_XDECREF(now);
        PyErr_Restore(type, value, traceback);
        Py_DECREF(clock);
    }
    it->ms = __atomic_load_n(&self->last_ms, __ATOMIC_RELAXED);
}

/* A test's clock. The library keeps time with it and must have an answer, so trouble repeats the
 * last. */
static uint64_t read_clock(void *arg) {
    look it = {arg, 0};
    with_gil(look_at_clock, &it);
    return it.ms;
}

static PyObject *cache_new(PyTypeObject *type, PyObject *args, PyObject *kwargs) {
    static char *names[] = {"flags",
                            "max_endpoints",
                            "max_sessions_per_endpoint",
                            "ttl_seconds",
                            "max_bytes",
                            "max_lineage_age_seconds",
                            "max_full_handshakes",
                            "failure_budget",
                            "clock",
                            "on_event",
                            "agent",
                            "agent_budget_us",
                            NULL};
    tsc_options options = {0};
    unsigned long long max_bytes = 0;
    const char *agent = NULL;
    Py_ssize_t agent_len = 0;
    PyObject *clock = Py_None, *on_event = Py_None;
    if (!PyArg_ParseTupleAndKeywords(
            args, kwargs, "|IIIIKIIIOOz#I", names, &options.flags, &options.max_endpoints,
            &options.max_sessions_per_endpoint, &options.ttl_seconds, &max_bytes,
            &options.max_lineage_age_seconds, &options.max_full_handshakes, &options.failure_budget,
            &clock, &on_event, &agent, &agent_len, &options.agent_budget_us))
        return NULL;
    options.max_bytes = max_bytes;
    options.agent = (const uint8_t *)agent;
    options.agent_len = (size_t)agent_len;
    Cache *self = (Cache *)PyType_GenericAlloc(type, 0);
    if (self == NULL)
        return NULL;
    self->shares = (options.flags & TSC_SHARE) != 0;
    if (clock != Py_None || on_event != Py_None) {
        callbacks *called = calloc(1, sizeof *called);
        if (called == NULL) {
            Py_DECREF(self);
            return PyErr_NoMemory();
        }
        self->callbacks = called;
        if (clock != Py_None) {
            Py_INCREF(clock);
            called->clock = clock;
            options.clock = read_clock;
            options.clock_arg = called;
        }
        if (on_event != Py_None) {
            Py_INCREF(on_event);
            called->on_event = on_event;
            options.on_event = cache_event;
            options.event_arg = called;
        }
    }
    tsc_status status = tsc_cache_new(&options, sizeof options, &self->cache);
    if (status == TSC_OK)
        status = tsc_config_new(self->cache, NULL, 0, &self->by_hand);
    if (status != TSC_OK) {
        Py_DECREF(self);
        return raise_status(status);
    }
    return (PyObject *)self;
}

static int cache_traverse(PyObject *object, visitproc visit, void *arg) {
    Py_VISIT(Py_TYPE(object));
    callbacks *called = ((Cache *)object)->callbacks;
    if (called != NULL) {
        Py_VISIT(called->clock);
        Py_VISIT(called->on_event);
    }
    return cached_objects_visit(((Cache *)object)->objects, visit, arg);
}

static int cache_clear(PyObject *object) {
    callbacks *called = ((Cache *)object)->callbacks;
    if (called != NULL) {
        clear_shared(&called->clock);
        clear_shared(&called->on_event);
    }
    cached_objects_clear(&((Cache *)object)->objects);
    return 0;
}

static void cache_dealloc(PyObject *object) {
    PyTypeObject *type = Py_TYPE(object);
    PyObject_GC_UnTrack(object);
    tsc_config_free(((Cache *)object)->by_hand);
    tsc_cache_free(((Cache *)object)->cache);
    cache_clear(object);
    PyObject_GC_Del(object);
    Py_DECREF(type);
}

static PyObject *cache_close(PyObject *self, PyObject *Py_UNUSED(none)) {
    return none_or_raise(tsc_cache_close(((Cache *)self)->cache));
}

static PyObject *cache_drop(PyObject *self, PyObject *Py_UNUSED(none)) {
    return none_or_raise(tsc_clear(((Cache *)self)->cache));
}

static PyObject *cache_drop_expired(PyObject *self, PyObject *Py_UNUSED(none)) {
    size_t count = 0;
    tsc_status status = tsc_clear_expired(((Cache *)self)->cache, &count);
    if (status != TSC_OK && status != TSC_CLOSED)
        return raise_status(status);
    return PyLong_FromSize_t(count);
}

static PyObject *cache_get(PyObject *self, PyObject *of) {
    tsc_endpoint endpoint;
    PyObject *owner;
    void *out;
    if (!endpoint_by_hand(of, &endpoint, &owner))
        return NULL;
    tsc_status status = tsc_config_get_object(((Cache *)self)->by_hand, &endpoint, sizeof endpoint,
                                              &out, cached_object_retain, NULL, 0);
    Py_XDECREF(owner);
    if (status == TSC_NOT_FOUND || status == TSC_CLOSED)
        Py_RETURN_NONE;
    if (status != TSC_OK)
        return raise_status(status);
    PyObject *session = new_reference(&((cached_object *)out)->object);
    cached_object_release(out);
    if (session == NULL) /* the garbage collector was here first */
        Py_RETURN_NONE;
    return session;
}

/* Only an ssl.SSLSession says how long it lasts. The library cuts what is too long. */
static int lifetime_of(PyObject *session, uint32_t *seconds) {
    *seconds = LIFETIME_NOT_KNOWN;
    if ((PyObject *)Py_TYPE(session) != SSLSession) /* which no other derives from */
        return 1;
    PyObject *hint = PyObject_GetAttr(session, ticket_lifetime_hint);
    if (hint == NULL)
        return 0;
    *seconds = (uint32_t)PyLong_AsUnsignedLongMask(hint);
    Py_DECREF(hint);
    return !PyErr_Occurred();
}

static PyObject *cache_put(PyObject *object, PyObject *args) {
    Cache *self = (Cache *)object;
    PyObject *of, *owner, *session, *version, *size, *lifetime = NULL;
    tsc_session_info info = {0};
    tsc_endpoint endpoint;
    /* Not PyArg_ParseTuple, which takes a tenth of all the time. */
    if (!PyArg_UnpackTuple(args, "put", 4, 5, &of, &session, &version, &size, &lifetime))
        return NULL;
    info.tls_version = (uint32_t)PyLong_AsUnsignedLong(version);
    size_t length = PyLong_AsSize_t(size);
    if (PyErr_Occurred())
        return NULL;
    if (lifetime != NULL)
        info.lifetime_seconds = (uint32_t)PyLong_AsUnsignedLong(lifetime);
    else if (!lifetime_of(session, &info.lifetime_seconds))
        return NULL;
    if (PyErr_Occurred() || !endpoint_by_hand(of, &endpoint, &owner))
        return NULL;
    if (session == Py_None) { /* what a connection has that has no session yet */
        Py_XDECREF(owner);
        Py_RETURN_FALSE;
    }
    cached_object *one = cached_object_new(&self->objects, session);
    if (one == NULL) {
        Py_XDECREF(owner);
        return PyErr_NoMemory();
    }
    tsc_status status = tsc_config_put_object(self->by_hand, &endpoint, sizeof endpoint, &info,
                                              sizeof info, one, length, cached_object_release);
    Py_XDECREF(owner);
    if (status != TSC_OK)
        cached_object_release(one);
    if (status != TSC_OK && status != TSC_DISCARDED && status != TSC_CLOSED)
        return raise_status(status);
    return PyBool_FromLong(status == TSC_OK);
}

static PyObject *cache_available(PyObject *self, PyObject *of) {
    tsc_endpoint endpoint;
    PyObject *owner;
    size_t count = 0;
    if (!endpoint_by_hand(of, &endpoint, &owner))
        return NULL;
    tsc_status status =
        tsc_config_available(((Cache *)self)->by_hand, &endpoint, sizeof endpoint, &count);
    Py_XDECREF(owner);
    if (status != TSC_OK && status != TSC_CLOSED)
        return raise_status(status);
    return PyLong_FromSize_t(count);
}

static PyObject *cache_discard(PyObject *self, PyObject *of) {
    tsc_endpoint endpoint;
    PyObject *owner;
    if (!endpoint_by_hand(of, &endpoint, &owner))
        return NULL;
    tsc_status status = tsc_config_remove(((Cache *)self)->by_hand, &endpoint, sizeof endpoint);
    Py_XDECREF(owner);
    if (status != TSC_OK && status != TSC_NOT_FOUND && status != TSC_CLOSED)
        return raise_status(status);
    return PyBool_FromLong(status == TSC_OK);
}

static PyObject *cache_config(PyObject *self, PyObject *args) {
    long long client_not_after = 0;
    if (!PyArg_ParseTuple(args, "|L", &client_not_after))
        return NULL;
    return config_new((Cache *)self, client_not_after);
}

static PyObject *cache_stats(PyObject *self, PyObject *Py_UNUSED(none)) {
    tsc_stats s = {0};
    tsc_status status = tsc_stats_get(((Cache *)self)->cache, &s, sizeof s);
    if (status != TSC_OK)
        return raise_status(status);
#define FIELD "sK"
#define VALUE(name) #name, (unsigned long long)s.name
    return Py_BuildValue(
        "{" FIELD FIELD FIELD FIELD FIELD FIELD FIELD FIELD FIELD FIELD FIELD FIELD FIELD FIELD
            FIELD FIELD FIELD FIELD FIELD FIELD FIELD FIELD FIELD FIELD FIELD FIELD FIELD FIELD
                FIELD FIELD FIELD FIELD FIELD FIELD FIELD FIELD FIELD "}",
        VALUE(offered), VALUE(resumed), VALUE(refused), VALUE(missed), VALUE(stored),
        VALUE(returned), VALUE(expired), VALUE(evicted), VALUE(displaced), VALUE(removed),
        VALUE(discarded_lifetime), VALUE(discarded_too_large), VALUE(discarded_failed),
        VALUE(discarded_unfinished), VALUE(discarded_disabled), VALUE(discarded_no_memory),
        VALUE(established), VALUE(failed), VALUE(unfinished), VALUE(endpoints), VALUE(sessions),
        VALUE(bytes), VALUE(reused), VALUE(waited), VALUE(waits_served), VALUE(withheld),
        VALUE(breaker_opened), VALUE(breaker_closed), VALUE(handshake_failed_offered),
        VALUE(login_failed_resumed), VALUE(taken), VALUE(discarded_surplus), VALUE(bytes_staged),
        VALUE(agent_leased), VALUE(agent_returned), VALUE(agent_stored), VALUE(agent_away));
}

static PyObject *cache_prometheus(PyObject *self, PyObject *args) {
    const char *labels = NULL;
    Py_ssize_t labels_len = 0;
    if (!PyArg_ParseTuple(args, "|s#", &labels, &labels_len))
        return NULL;
    size_t len = 0, cap = 8192;
    for (;;) { /* the text grows with the numbers, so asking once for its length would not do */
        char *text = PyMem_Malloc(cap);
        if (text == NULL)
            return PyErr_NoMemory();
        tsc_status status = tsc_stats_prometheus(((Cache *)self)->cache, labels, (size_t)labels_len,
                                                 text, cap, &len);
        PyObject *result = NULL;
        if (status == TSC_OK)
            result = PyUnicode_FromStringAndSize(text, (Py_ssize_t)len);
        PyMem_Free(text);
        if (status != TSC_TOO_SMALL)
            return status == TSC_OK ? result : raise_status(status);
        cap = len + 1024;
    }
}

static PyMethodDef methods[] = {{"close", cache_close, METH_NOARGS, NULL},
                                {"clear", cache_drop, METH_NOARGS, NULL},
                                {"clear_expired", cache_drop_expired, METH_NOARGS, NULL},
                                {"get", cache_get, METH_O, NULL},
                                {"put", cache_put, METH_VARARGS, NULL},
                                {"discard", cache_discard, METH_O, NULL},
                                {"available", cache_available, METH_O, NULL},
                                {"config", cache_config, METH_VARARGS, NULL},
                                {"stats", cache_stats, METH_NOARGS, NULL},
                                {"prometheus", cache_prometheus, METH_VARARGS, NULL},
                                {0}};
static PyType_Slot slots[] = {{Py_tp_new, cache_new},           {Py_tp_dealloc, cache_dealloc},
                              {Py_tp_traverse, cache_traverse}, {Py_tp_clear, cache_clear},
                              {Py_tp_methods, methods},         {0, NULL}};
PyType_Spec cache_spec = {"tsc._tsc.Cache", sizeof(Cache), 0,
                          Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC, slots};
