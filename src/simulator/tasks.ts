import { lockTimeout } from './errors.ts';
import type { Task } from './model.ts';
import type { World } from './world.ts';

/** One step of a task, as its kind sees it. */
export interface Run {
  world: World;
  task: Task;
  /** The moment this happens in the simulation, epoch ms. */
  at: number;
  /** All kinds, for a task that starts another. */
  kinds: Kinds;
  log(line: string): void;
  warn(line: string): void;
}

/**
 * The behaviour of a kind of task. `begin` looks at the state when the guest's lock is held and says how long it takes (ms);
 * `finish` does it; `undo` cleans up after a failure. Either throws an Error whose message becomes the exit status.
 */
export interface Kind {
  begin?(run: Run): number;
  /** How much longer it takes, ms; it is asked again then. */
  wait?(run: Run): number | undefined;
  finish?(run: Run): void;
  undo?(run: Run, reason: string): void;
}

export type Kinds = Record<string, Kind>;

const LOCK_WAIT = 10_000;
/** A worker that fails at once still lives a moment. */
const WORKER_LIFE = 50;

export interface NewTask {
  node: string;
  type: string;
  id: string;
  owner: string;
  kind: string;
  args?: Record<string, unknown>;
  locks?: number[];
  hidden?: boolean;
  log?: string[];
  failWith?: string | undefined;
  slower?: number | undefined;
}

const hex = (value: number): string => value.toString(16).toUpperCase().padStart(8, '0');

/** Starts a task at that moment; it begins when no other task holds its guests' locks. Returns it with its UPID. */
export function startTask(world: World, kinds: Kinds, wanted: NewTask, at: number): Task {
  const serial = world.count('pid');
  const pid = 10_000 + serial;
  const pstart = 400_000 + serial * 50;
  const upid = `UPID:${wanted.node}:${hex(pid)}:${hex(pstart)}:${hex(Math.floor(at / 1000))}:${wanted.type}:${wanted.id}:${wanted.owner}:`;
  const { failWith, slower, ...rest } = wanted;
  const task = world.addTask({
    ...rest,
    args: wanted.args ?? {},
    locks: wanted.locks ?? [],
    log: [...(wanted.log ?? [])],
    upid,
    pid,
    pstart,
    start: at,
    due: at + world.scaled(LOCK_WAIT),
    state: 'waiting',
    warnings: 0,
    ...(failWith === undefined ? {} : { failWith }),
    ...(slower === undefined ? {} : { slower }),
  });
  if (task.locks.some((vmid) => lockHolder(world, vmid, task.seq))) task.log.push('trying to acquire lock...');
  else begin(world, kinds, task, at);
  world.saveTask(task);
  return task;
}

/** The task that holds the lock file of a guest. */
export function lockHolder(world: World, vmid: number, except = -1): Task | undefined {
  return world.openTasks().find((task) => task.state === 'running' && task.seq !== except && task.locks.includes(vmid));
}

function runOf(world: World, kinds: Kinds, task: Task, at: number): Run {
  return {
    world,
    kinds,
    task,
    at,
    log: (line) => void task.log.push(line),
    warn: (line) => {
      task.log.push(`WARN: ${line}`);
      task.warnings += 1;
    },
  };
}

function begin(world: World, kinds: Kinds, task: Task, at: number): void {
  task.state = 'running';
  try {
    const duration = kinds[task.kind]?.begin?.(runOf(world, kinds, task, at)) ?? 0;
    task.due = at + world.scaled(Math.max(WORKER_LIFE, duration) + (task.slower ?? 0));
  } catch (error) {
    task.exit = (error as Error).message;
    task.due = at + world.scaled(WORKER_LIFE);
  }
}

function complete(world: World, kinds: Kinds, task: Task, at: number): void {
  const kind = kinds[task.kind];
  const run = runOf(world, kinds, task, at);
  let reason = task.exit ?? task.failWith;
  if (reason === undefined) {
    try {
      const longer = kind?.wait?.(run);
      if (longer === undefined) kind?.finish?.(run);
      else {
        task.due = at + world.scaled(longer);
        world.saveTask(task);
        return;
      }
    } catch (error) {
      reason = (error as Error).message;
    }
  }
  if (reason !== undefined) kind?.undo?.(run, reason);
  close(world, kinds, task, at, reason);
}

function close(world: World, kinds: Kinds, task: Task, at: number, reason: string | undefined): void {
  task.exit = reason ?? (task.warnings > 0 ? `WARNINGS: ${task.warnings}` : 'OK');
  task.log.push(reason === undefined ? `TASK ${task.exit}` : `TASK ERROR: ${reason}`);
  task.state = 'done';
  task.end = at;
  world.saveTask(task);
  wake(world, kinds, task.locks, at);
}

/** The task that waited longest for a freed lock gets it. */
function wake(world: World, kinds: Kinds, vmids: number[], at: number): void {
  for (const vmid of vmids) {
    const next = world
      .openTasks()
      .filter((task) => task.state === 'waiting' && task.locks.includes(vmid))
      .sort((a, b) => a.seq - b.seq)
      .find((task) => !task.locks.some((lock) => lockHolder(world, lock, task.seq)));
    if (!next) continue;
    next.log.push(' OK');
    begin(world, kinds, next, at);
    world.saveTask(next);
  }
}

/** Lets everything happen that was due until `now`, in the order of time. Call inside a write transaction. */
export function advance(world: World, kinds: Kinds, now: number): void {
  for (;;) {
    const next = world.openTasks()[0];
    if (!next || next.due > now) return;
    if (next.state === 'waiting') close(world, kinds, next, next.due, lockTimeout(next.locks[0] ?? 0));
    else complete(world, kinds, next, next.due);
  }
}

/** Ends a task before its time, as a signal does. */
export function interrupt(world: World, kinds: Kinds, task: Task, at: number): void {
  if (task.state === 'done') return;
  kinds[task.kind]?.undo?.(runOf(world, kinds, task, at), 'received interrupt');
  close(world, kinds, task, at, 'received interrupt');
}
