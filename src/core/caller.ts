/** Who is calling, as the face established it. Faces fill it in; nobody takes it from the agent's arguments. */
export interface Caller {
  /** `local:UID` for stdio and the command line; the token's or subject's name over HTTP. */
  principal: string;
  /** The human or account answerable for the principal: two tokens of one owner are one requester. */
  owner: string;
  channel: 'cli' | 'stdio' | 'http' | 'console';
  /** Name and version the client gives itself; for the audit only, never trusted. */
  client?: string;
  /** The ways in which this caller's face can ask a human right now. */
  canAsk: { elicitation: boolean; terminal: boolean };
  /** The operator out of band: a terminal of their own or the console. May decide any approval. */
  isOperator: boolean;
}
