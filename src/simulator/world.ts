import { randomUUID } from 'node:crypto';
import Database from '../sqlite.ts';
import { publicRow } from './guest/status.ts';
import type { Guest, Task, Things } from './model.ts';

/** The simulated cluster: its documents in SQLite, cached as long as no other process writes. Documents read from it are never changed in place. */
export interface World {
  /** Epoch ms. */
  now(): number;
  /** Shrinks a real-time delay (ms) to the simulation's pace. */
  scaled(ms: number): number;
  guests(): ReadonlyMap<number, Guest>;
  guest(vmid: number): Guest | undefined;
  /** Stores a guest; `at` is the moment of the change, which decides when `/cluster/resources` shows it. */
  saveGuest(guest: Guest, at: number): void;
  dropGuest(vmid: number): void;
  all<K extends keyof Things>(kind: K): ReadonlyMap<string, Things[K]>;
  get<K extends keyof Things>(kind: K, id: string): Things[K] | undefined;
  put<K extends keyof Things>(kind: K, id: string, doc: Things[K]): void;
  drop(kind: keyof Things, id: string): void;
  /** Counts up, across processes. */
  count(name: string): number;
  flag(name: string): string | undefined;
  setFlag(name: string, value: string): void;
  addTask(task: Omit<Task, 'seq'>): Task;
  saveTask(task: Task): void;
  /** Unfinished tasks, oldest event first. */
  openTasks(): Task[];
  task(upid: string): Task | undefined;
  /** Visible tasks, newest first, at most `limit`. */
  tasks(limit: number): Task[];
  /** Whether an unfinished task has an event at or before that moment. */
  isDue(at: number): boolean;
  /** Changes whenever anything in the cluster did. */
  version(): string;
  /** Runs `work` as one write transaction; an exception undoes all of it. */
  write<T>(work: () => T): T;
  /** Notices what other processes wrote. Call before each request; within one, the cluster stands still. */
  refresh(): void;
  /** Last round of a node's status daemon at that moment, epoch ms; without a node: of one that works. */
  lastTick(at: number, node?: string): number;
  /** Stops a node's status daemon as of that moment (epoch ms); without a moment, starts it again. */
  silence(node: string, since: number | undefined): void;
  close(): void;
}

const SCHEMA = `
  CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS guests (vmid INTEGER PRIMARY KEY, doc TEXT NOT NULL);
  CREATE TABLE IF NOT EXISTS things (kind TEXT NOT NULL, id TEXT NOT NULL, doc TEXT NOT NULL, PRIMARY KEY (kind, id)) WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS tasks (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, upid TEXT NOT NULL UNIQUE, open INTEGER NOT NULL, hidden INTEGER NOT NULL, due REAL NOT NULL, doc TEXT NOT NULL
  );
  CREATE INDEX IF NOT EXISTS tasks_open ON tasks (open, due);
`;

const STATUS_DAEMON_PERIOD = 10_000;

export interface WorldOptions {
  file: string;
  now: () => number;
  timeScale: number;
}

/** Statements are parsed when they are needed: most clusters live for a few requests. */
function once<T>(make: () => T): () => T {
  let made: T | undefined;
  return () => {
    made ??= make();
    return made;
  };
}

export function openWorld(options: WorldOptions): World {
  const db = new Database(options.file, { timeout: 10_000 });
  db.pragma('journal_mode = WAL');
  db.pragma('synchronous = NORMAL');
  db.exec(SCHEMA);
  const sql = {
    guests: once(() => db.prepare<[], { doc: string }>('SELECT doc FROM guests ORDER BY vmid')),
    guest: once(() => db.prepare<[number], { doc: string }>('SELECT doc FROM guests WHERE vmid = ?')),
    putGuest: once(() => db.prepare('INSERT INTO guests (vmid, doc) VALUES (?, ?) ON CONFLICT (vmid) DO UPDATE SET doc = excluded.doc')),
    dropGuest: once(() => db.prepare('DELETE FROM guests WHERE vmid = ?')),
    all: once(() => db.prepare<[string], { id: string; doc: string }>('SELECT id, doc FROM things WHERE kind = ? ORDER BY id')),
    put: once(() =>
      db.prepare('INSERT INTO things (kind, id, doc) VALUES (?, ?, ?) ON CONFLICT (kind, id) DO UPDATE SET doc = excluded.doc'),
    ),
    drop: once(() => db.prepare('DELETE FROM things WHERE kind = ? AND id = ?')),
    flag: once(() => db.prepare<[string], { value: string }>('SELECT value FROM meta WHERE key = ?')),
    setFlag: once(() => db.prepare('INSERT INTO meta (key, value) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value')),
    addTask: once(() => db.prepare('INSERT INTO tasks (upid, open, hidden, due, doc) VALUES (?, ?, ?, ?, ?)')),
    saveTask: once(() => db.prepare('UPDATE tasks SET open = ?, due = ?, doc = ? WHERE seq = ?')),
    openTasks: once(() => db.prepare<[], { seq: number; doc: string }>('SELECT seq, doc FROM tasks WHERE open = 1 ORDER BY due, seq')),
    task: once(() => db.prepare<[string], { seq: number; doc: string }>('SELECT seq, doc FROM tasks WHERE upid = ?')),
    tasks: once(() =>
      db.prepare<[number], { seq: number; doc: string }>('SELECT seq, doc FROM tasks WHERE hidden = 0 ORDER BY seq DESC LIMIT ?'),
    ),
    dataVersion: once(() => db.prepare<[], number>('PRAGMA data_version').pluck()),
    due: once(() => db.prepare<[number], { one: number }>('SELECT 1 AS one FROM tasks WHERE open = 1 AND due <= ? LIMIT 1')),
  };

  let guestCache: Map<number, Guest> | undefined;
  const thingCache = new Map<string, Map<string, never>>();
  let seen = sql.dataVersion().get();
  let own = 0;
  let writing = false;

  const forget = () => {
    guestCache = undefined;
    thingCache.clear();
  };
  /** Another connection has written since: what is cached is old. Inside a write transaction no other connection can. */
  const refresh = () => {
    if (writing) return;
    const version = sql.dataVersion().get();
    if (version !== seen) forget();
    seen = version;
  };
  const readTask = (row: { seq: number; doc: string }): Task => ({ ...(JSON.parse(row.doc) as Task), seq: row.seq });
  const transaction = db.transaction((work: () => unknown) => work());

  const world: World = {
    now: options.now,
    scaled: (ms) => ms * options.timeScale,
    guests() {
      guestCache ??= new Map(
        sql
          .guests()
          .all()
          .map((row) => JSON.parse(row.doc) as Guest)
          .map((guest) => [guest.vmid, guest]),
      );
      return guestCache;
    },
    guest(vmid) {
      if (guestCache) return guestCache.get(vmid);
      const row = sql.guest().get(vmid);
      return row ? (JSON.parse(row.doc) as Guest) : undefined;
    },
    saveGuest(guest, at) {
      const before = world.guest(guest.vmid);
      const saved: Guest = { ...guest, changedAt: at };
      const broadcast =
        before && before.changedAt <= world.lastTick(at, before.node)
          ? publicRow(before, at, world.get('node', before.node)?.cpus)
          : before?.broadcast;
      if (broadcast) saved.broadcast = broadcast;
      else delete saved.broadcast;
      sql.putGuest().run(guest.vmid, JSON.stringify(saved));
      guestCache?.set(guest.vmid, saved);
      own += 1;
    },
    dropGuest(vmid) {
      sql.dropGuest().run(vmid);
      guestCache?.delete(vmid);
      own += 1;
    },
    all<K extends keyof Things>(kind: K) {
      let cached = thingCache.get(kind) as Map<string, Things[K]> | undefined;
      if (!cached) {
        cached = new Map(
          sql
            .all()
            .all(kind)
            .map((row) => [row.id, JSON.parse(row.doc) as Things[K]]),
        );
        thingCache.set(kind, cached as Map<string, never>);
      }
      return cached;
    },
    get: (kind, id) => world.all(kind).get(id),
    put(kind, id, doc) {
      sql.put().run(kind, id, JSON.stringify(doc));
      thingCache.get(kind)?.set(id, doc as never);
      own += 1;
    },
    drop(kind, id) {
      sql.drop().run(kind, id);
      thingCache.get(kind)?.delete(id);
      own += 1;
    },
    count(name) {
      const next = Number(world.flag(name) ?? 0) + 1;
      world.setFlag(name, String(next));
      return next;
    },
    flag: (name) => sql.flag().get(name)?.value,
    setFlag(name, value) {
      sql.setFlag().run(name, value);
    },
    addTask(task) {
      const { lastInsertRowid } = sql
        .addTask()
        .run(task.upid, task.state === 'done' ? 0 : 1, task.hidden ? 1 : 0, task.due, JSON.stringify(task));
      own += 1;
      return { ...task, seq: Number(lastInsertRowid) };
    },
    saveTask(task) {
      sql.saveTask().run(task.state === 'done' ? 0 : 1, task.due, JSON.stringify(task), task.seq);
      own += 1;
    },
    openTasks: () => sql.openTasks().all().map(readTask),
    task(upid) {
      const row = sql.task().get(upid);
      return row && readTask(row);
    },
    tasks: (limit) => sql.tasks().all(limit).map(readTask),
    isDue: (at) => sql.due().get(at) !== undefined,
    version: () => `${seen}.${own}`,
    refresh,
    write(work) {
      refresh();
      const marker = own;
      try {
        return transaction.immediate(() => {
          refresh();
          writing = true;
          return work();
        }) as ReturnType<typeof work>;
      } catch (error) {
        if (own !== marker) forget();
        throw error;
      } finally {
        writing = false;
      }
    },
    lastTick(at, node) {
      const period = Math.max(1, world.scaled(STATUS_DAEMON_PERIOD));
      const since = node === undefined ? undefined : world.get('silence', node)?.since;
      return Math.floor(Math.min(at, since ?? at) / period) * period;
    },
    silence(node, since) {
      if (since === undefined) world.drop('silence', node);
      else world.put('silence', node, { since });
    },
    close: () => db.close(),
  };
  return world;
}

export const newUuid = (): string => randomUUID();
