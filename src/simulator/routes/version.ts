/** The recorded release. */
export const VERSION = { version: '9.2.11', release: '9.2', repoid: '14a22df35955d97d' };
