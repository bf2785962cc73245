// A CloudFront Function has 10 KB.

export const deepLinks = false;
export const handingOn = false;
export const clocks = false;
export const reasons = false;
