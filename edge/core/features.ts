// What a target may have to do without, because there is no room for it.

export const deepLinks = true; // ?url= chooses a page of the merchant
export const handingOn = true; // parameters of the visit go on to the merchant
export const clocks = true; // conditions on the time of the day
export const reasons = true; // why a visit was decided as it was
