/** One page of the console. */
export interface View {
  element: HTMLElement;
  /** Called when it is opened and when the address below it changes. */
  show(param: string | undefined): void;
}
