/** Calls of the server extension. */

import { URLExt } from '@jupyterlab/coreutils';
import { ServerConnection } from '@jupyterlab/services';

import type { IDemo, IListing, IMade, ITemplates, ITried, IVerdict } from './types';

/** An answer that is no success, with the server's words. */
export class ApiError extends Error {
  constructor(
    message: string,
    readonly status: number
  ) {
    super(message);
  }
}

export class Api {
  constructor(private readonly _settings: ServerConnection.ISettings) {}

  list(root: string): Promise<IListing> {
    return this._call<IListing>(`experiments?root=${encodeURIComponent(root)}`);
  }

  /** Keys of the three experiments that fit a question best. */
  tried(root: string, question: string): Promise<ITried> {
    return this._call<ITried>(`tried?root=${encodeURIComponent(root)}&question=${encodeURIComponent(question)}`);
  }

  /** The verdict on a document, when its file still holds the text with this digest. */
  verify(path: string, shown: string): Promise<IVerdict> {
    return this._call<IVerdict>('verify', { path, shown });
  }

  /** Address of a memo's page for a frame, when its file still holds the text with this digest. */
  page(path: string, shown: string, isLight: boolean): string {
    const query = URLExt.objectToQueryString({ path, shown, theme: isLight ? 'light' : 'dark' });
    return URLExt.join(this._settings.baseUrl, 'xpbench', 'api', 'page') + query;
  }

  templates(): Promise<ITemplates> {
    return this._call<ITemplates>('templates');
  }

  notebook(request: { template: string; key: string; root: string; parameters: Record<string, string> }): Promise<IMade> {
    return this._call<IMade>('notebooks', request);
  }

  demo(): Promise<IDemo> {
    return this._call<IDemo>('demo', {});
  }

  private async _call<T>(endpoint: string, body?: object): Promise<T> {
    const url = URLExt.join(this._settings.baseUrl, 'xpbench', 'api') + '/' + endpoint;
    const init: RequestInit = body === undefined ? {} : { method: 'POST', body: JSON.stringify(body) };
    const response = await ServerConnection.makeRequest(url, init, this._settings);
    const text = await response.text();
    let data: unknown = null;
    try {
      data = JSON.parse(text);
    } catch {
      // a proxy or an older server answers with a page
    }
    if (!response.ok) {
      const told = (data as { message?: unknown } | null)?.message;
      throw new ApiError(typeof told === 'string' && told ? told : `${response.status} ${response.statusText}`, response.status);
    }
    return data as T;
  }
}
