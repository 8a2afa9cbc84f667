#include "module.h"

static PyObject *Error;
/* The latter is a name, made once: making it takes longer than looking it up. */
PyObject *SSLSession, *ticket_lifetime_hint;

PyObject *raise_status(tsc_status status) {
    PyObject *error = PyObject_CallFunction(Error, "s", tsc_status_text(status));
    PyObject *number = PyLong_FromUnsignedLong(status);
    if (error != NULL && number != NULL && PyObject_SetAttrString(error, "status", number) == 0)
        PyErr_SetObject(Error, error);
    Py_XDECREF(error);
    Py_XDECREF(number);
    return NULL;
}

PyObject *none_or_raise(tsc_status status) {
    if (status != TSC_OK)
        return raise_status(status);
    Py_RETURN_NONE;
}

PyObject *no_new(PyTypeObject *type, PyObject *args, PyObject *kwargs) {
    (void)type, (void)args, (void)kwargs;
    PyErr_SetString(PyExc_TypeError, "only a Cache has a constructor");
    return NULL;
}

static PyMethodDef functions[] = {
    {"ticket_filter", ticket_filter, METH_O, NULL},
    {"direct_check", direct_check, METH_VARARGS, NULL},
    {"direct_attach", direct_attach, METH_VARARGS, NULL},
    {"direct_detach", direct_detach, METH_O, NULL},
    {"direct_set", direct_set, METH_VARARGS, NULL},
    {"direct_export", direct_export, METH_VARARGS, NULL},
    {"direct_import", direct_import, METH_VARARGS, NULL},
    {"direct_lend_messages", direct_lend_messages, METH_VARARGS, NULL},
    {"direct_data_came", direct_data_came, METH_O, NULL},
    {"direct_prepare", direct_prepare, METH_VARARGS, NULL},
    {"direct_hand_over", direct_hand_over, METH_VARARGS, NULL},
    {"direct_peer", direct_peer, METH_O, NULL},
    {"direct_offer", direct_offer, METH_O, NULL},
    {"direct_wait_fd", direct_wait_fd, METH_VARARGS, NULL},
    {"direct_established", direct_established, METH_O, NULL},
    {"direct_failed", direct_failed, METH_VARARGS, NULL},
    {"direct_keep_nodelay", direct_keep_nodelay, METH_O, NULL},
    {"direct_reason", direct_reason, METH_O, NULL},
    {0}};
static struct PyModuleDef definition = {PyModuleDef_HEAD_INIT, .m_name = "tsc._tsc", .m_size = -1,
                                        .m_methods = functions};

static PyTypeObject *add_type(PyObject *module, const char *name, PyType_Spec *spec) {
    PyTypeObject *type = (PyTypeObject *)PyType_FromSpec(spec);
    if (type == NULL)
        return NULL;
    Py_INCREF(type); /* one for the module, one for the C side */
    return PyModule_AddObject(module, name, (PyObject *)type) == 0 ? type : NULL;
}

PyMODINIT_FUNC PyInit__tsc(void) {
    PyObject *module = PyModule_Create(&definition);
    if (module == NULL)
        return NULL;
#ifdef Py_GIL_DISABLED
    PyUnstable_Module_SetGIL(module, Py_MOD_GIL_NOT_USED);
#endif
    PyObject *ssl = PyImport_ImportModule("ssl");
    SSLSession = ssl == NULL ? NULL : PyObject_GetAttrString(ssl, "SSLSession");
    Py_XDECREF(ssl);
    ticket_lifetime_hint = PyUnicode_InternFromString("ticket_lifetime_hint");
    if (SSLSession == NULL || ticket_lifetime_hint == NULL)
        return NULL;
    Error = PyErr_NewExceptionWithDoc(
        "tsc.Error",
        "A call that the library did not carry out; ``status`` is its number in tsc.h.", NULL,
        NULL);
    if (Error == NULL || (CacheType = add_type(module, "Cache", &cache_spec)) == NULL ||
        (ConfigType = add_type(module, "Config", &config_spec)) == NULL ||
        (AttemptType = add_type(module, "Attempt", &attempt_spec)) == NULL)
        return NULL;
    Py_INCREF(Error);
    if (PyModule_AddObject(module, "Error", Error) < 0 ||
#define CONSTANT(name) PyModule_AddIntConstant(module, &#name[4], name) < 0 ||
        CONSTANT(TSC_DISABLED) CONSTANT(TSC_REUSE_WHEN_DRY) CONSTANT(TSC_SHARE)
            CONSTANT(TSC_AGENT_NO_WAIT) CONSTANT(TSC_FACT_SENT) CONSTANT(TSC_FACT_HANDSHAKE_DONE)
                CONSTANT(TSC_FACT_RESUMED) CONSTANT(TSC_FACT_TIMED_OUT) CONSTANT(TSC_FACT_CANCELLED)
                    CONSTANT(TSC_FACT_ALERT) 0)
        return NULL;
    return module;
}
