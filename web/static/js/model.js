// The model's page: its table of networks can be sorted.

import { makeSortable } from "./sort.js";

makeSortable();
