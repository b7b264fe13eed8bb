/** What the commands and documents share. */

import type { JupyterFrontEnd } from '@jupyterlab/application';
import type { TranslationBundle } from '@jupyterlab/translation';

import type { Api } from './api';
import type { Model } from './model';

export interface IParts {
  readonly app: JupyterFrontEnd;
  readonly api: Api;
  readonly model: Model;
  readonly trans: TranslationBundle;
}
